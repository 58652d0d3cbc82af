#pragma once
// Random numbers addressed by a key and a counter: draw number i of stream s is the same whoever
// asks first, so results depend on neither threads nor order. Philox4x32-10, Salmon et al., SC
// 2011.

#include <array>
#include <cstdint>

namespace assay {

// The 128 random bits at `counter` under `key`.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// A sequence of draws of one stream: counters (0, stream), (1, stream), ... under `seed`.
class PhiloxStream {
 public:
  PhiloxStream(uint64_t seed, uint64_t stream);

  uint32_t next_uint32();
  uint32_t below(uint32_t n);  // uniform in [0, n) without bias, n >= 1
  double uniform();            // in (0, 1), 32 bits
  double normal();             // standard normal, Box-Muller

 private:
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> counter_;
  std::array<uint32_t, 4> block_{};
  int used_ = 4;
};

}  // namespace assay
