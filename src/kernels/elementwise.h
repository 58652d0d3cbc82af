#pragma once
// What stands between the products of a block. A row's result depends on that row alone, to the
// bit.

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/isa.h"

namespace assay::kernels {

// y = weight * x / sqrt(mean(x^2) + eps) for each row of x [num_rows, weight.size()]. The squares
// are summed in eight interleaved chains of fma. y may be x.
void rms_norm(const float* x, int64_t num_rows, std::span<const float> weight, double eps, float* y,
              Isa isa = best_isa());

// gate = gate / (1 + exp(-gate)) * up
void silu_times_(float* gate, const float* up, int64_t count, Isa isa = best_isa());

// Rotary positions, half-split: elements i and i + head_dim / 2 of a head turn by position *
// inverse_frequencies[i] and grow by `magnitude`. As in transformers, angles are rounded to
// float32; cosine and sine are those of the angle.
class RotaryTable {
 public:
  RotaryTable(std::span<const float> inverse_frequencies, int64_t num_positions,
              float magnitude = 1);
  // x [num_rows, num_heads * head_dim], row r at positions[r]
  void rotate_(float* x, int64_t num_rows, int64_t num_heads,
               std::span<const int32_t> positions) const;
  // The opposite turn, which takes a gradient back through rotate_.
  void rotate_back_(float* x, int64_t num_rows, int64_t num_heads,
                    std::span<const int32_t> positions) const;
  int64_t num_positions() const { return num_positions_; }

 private:
  template <bool kBack>
  void turn_(float* x, int64_t num_rows, int64_t num_heads,
             std::span<const int32_t> positions) const;

  int64_t half_, num_positions_;
  std::vector<float> cosines_, sines_;  // [num_positions, half]
};

}  // namespace assay::kernels
