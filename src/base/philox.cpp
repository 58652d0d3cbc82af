#include "base/philox.h"

#include <cmath>
#include <numbers>

#include "base/error.h"

namespace assay {

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  auto& x = counter;
  for (int round = 0; round < 10; ++round) {
    const uint64_t left = uint64_t{0xD2511F53u} * x[0];
    const uint64_t right = uint64_t{0xCD9E8D57u} * x[2];
    x = {static_cast<uint32_t>(right >> 32) ^ x[1] ^ key[0], static_cast<uint32_t>(right),
         static_cast<uint32_t>(left >> 32) ^ x[3] ^ key[1], static_cast<uint32_t>(left)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return x;
}

PhiloxStream::PhiloxStream(uint64_t seed, uint64_t stream)
    : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)},
      counter_{0, 0, static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)} {}

uint32_t PhiloxStream::next_uint32() {
  if (used_ == 4) {
    block_ = philox4x32(counter_, key_);
    if (++counter_[0] == 0) ++counter_[1];
    used_ = 0;
  }
  return block_[static_cast<size_t>(used_++)];
}

uint32_t PhiloxStream::below(uint32_t n) {
  require(n >= 1, "below: n must be positive");
  // Lemire 2019: the high word of a product, redrawn where the low word falls into the uneven
  // remainder.
  uint64_t product = uint64_t{next_uint32()} * n;
  if (static_cast<uint32_t>(product) < n) {
    const uint32_t uneven = (0u - n) % n;
    while (static_cast<uint32_t>(product) < uneven) product = uint64_t{next_uint32()} * n;
  }
  return static_cast<uint32_t>(product >> 32);
}

double PhiloxStream::uniform() { return (next_uint32() + 0.5) * 0x1p-32; }

double PhiloxStream::normal() {
  const double radius = std::sqrt(-2 * std::log(uniform()));
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

}  // namespace assay
