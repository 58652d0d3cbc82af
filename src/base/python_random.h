#pragma once
// CPython's `random`, bit for bit: the published studies drew their subsamples and calibration
// windows with it. Sources: Matsumoto & Nishimura 1998 (MT19937, init_by_array); Lib/random.py of
// Python 3.11.

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace assay {

class PythonRandom {
 public:
  // random.seed(s) for a non-negative integer: init_by_array with the 32-bit words of s, lowest
  // first (one word when s < 2^32). This is not std::mt19937(s).
  explicit PythonRandom(uint64_t seed);

  uint32_t next_uint32();

  // random.getrandbits(k), 1 <= k <= 32. Error(kBadInput) outside.
  uint32_t getrandbits(int k);

  // random.randrange(n), uniform in [0, n), 1 <= n < 2^32. Error(kBadInput) outside.
  uint32_t below(uint64_t n);

  // random.randint(low, high): both ends included, high - low < 2^32 - 1.
  int64_t randint(int64_t low, int64_t high);

  // random.shuffle(x).
  template <class T>
  void shuffle(std::span<T> x) {
    for (auto i = x.size(); i > 1; --i) std::swap(x[i - 1], x[below(i)]);
  }

  // random.sample(range(n), k): k distinct indices in the order drawn. Error(kBadInput) when k > n.
  std::vector<uint32_t> sample(uint32_t n, uint32_t k);

 private:
  static constexpr int kWords = 624;
  void refill();

  std::array<uint32_t, kWords> state_{};
  int position_ = kWords;
};

}  // namespace assay
