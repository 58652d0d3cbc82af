#include "base/python_random.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <unordered_set>

#include "base/error.h"

namespace assay {
namespace {

constexpr uint64_t kMaxBelow = std::numeric_limits<uint32_t>::max();

// Up to which population size CPython copies the whole population instead of remembering what it
// drew.
uint64_t pool_limit(uint32_t k) {
  uint64_t limit = 21;
  if (k <= 5) return limit;
  uint64_t power =
      1;  // 4^ceil(log4(3k)); 3k is never a power of 4, so the rounding of CPython's log is moot
  while (power < uint64_t{3} * k) power *= 4;
  return limit + power;
}

}  // namespace

PythonRandom::PythonRandom(uint64_t seed) {
  constexpr uint32_t n = kWords;
  state_[0] = 19650218u;
  for (uint32_t i = 1; i < n; ++i) {
    state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
  }
  const std::array<uint32_t, 2> key{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  const uint32_t key_length = key[1] == 0 ? 1 : 2;
  uint32_t i = 1;
  uint32_t j = 0;
  const auto advance = [&] {
    if (++i < n) return;
    state_[0] = state_[n - 1];
    i = 1;
  };
  for (uint32_t step = 0; step < n; ++step) {
    state_[i] = (state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * 1664525u)) + key[j] + j;
    j = (j + 1) % key_length;
    advance();
  }
  for (uint32_t step = 0; step + 1 < n; ++step) {
    state_[i] = (state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * 1566083941u)) - i;
    advance();
  }
  state_[0] = 0x80000000u;
}

void PythonRandom::refill() {
  constexpr size_t n = kWords;
  constexpr size_t m = 397;
  for (size_t i = 0; i < n; ++i) {
    const uint32_t y = (state_[i] & 0x80000000u) | (state_[(i + 1) % n] & 0x7fffffffu);
    state_[i] = state_[(i + m) % n] ^ (y >> 1) ^ ((y & 1u) != 0 ? 0x9908b0dfu : 0u);
  }
  position_ = 0;
}

uint32_t PythonRandom::next_uint32() {
  if (position_ == kWords) refill();
  uint32_t y = state_[static_cast<size_t>(position_++)];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

uint32_t PythonRandom::getrandbits(int k) {
  require(k >= 1 && k <= 32, "getrandbits: k must be in [1, 32], got ", k);
  return next_uint32() >> (32 - k);
}

uint32_t PythonRandom::below(uint64_t n) {
  require(n >= 1 && n <= kMaxBelow, "below: n must be in [1, 2^32), got ", n);
  const auto bits = static_cast<int>(std::bit_width(n));
  uint32_t drawn = getrandbits(bits);
  while (drawn >= n) drawn = getrandbits(bits);
  return drawn;
}

int64_t PythonRandom::randint(int64_t low, int64_t high) {
  require(low <= high, "randint: empty range [", low, ", ", high, "]");
  const uint64_t width = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  require(width < kMaxBelow, "randint: range [", low, ", ", high, "] has 2^32 values or more");
  return low + static_cast<int64_t>(below(width + 1));
}

std::vector<uint32_t> PythonRandom::sample(uint32_t n, uint32_t k) {
  require(k <= n, "sample: asked for ", k, " of ", n);
  std::vector<uint32_t> result(k);
  if (n <= pool_limit(k)) {
    std::vector<uint32_t> pool(n);
    for (uint32_t i = 0; i < n; ++i) pool[i] = i;
    for (uint32_t i = 0; i < k; ++i) {
      const uint32_t j = below(n - i);
      result[i] = pool[j];
      pool[j] = pool[n - i - 1];
    }
    return result;
  }
  std::unordered_set<uint32_t> drawn;
  for (uint32_t& index : result) {
    do index = below(n);
    while (!drawn.insert(index).second);
  }
  return result;
}

}  // namespace assay
