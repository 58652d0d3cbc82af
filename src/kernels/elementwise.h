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

// y = weight * (x - mean) / sqrt(mean((x - mean)^2) + eps) + bias for each row, both means in eight
// interleaved chains. y may be x.
void layer_norm(const float* x, int64_t num_rows, std::span<const float> weight,
                std::span<const float> bias, double eps, float* y, Isa isa = best_isa());

// GELU's tanh form: 2 sqrt(2 / pi), and the factor of x^3 in u.
inline constexpr float kGeluFactor = 1.5957691216057308f, kGeluCube = 0.044715f;

enum class Activation {
  kSilu,      // x / (1 + exp(-x))
  kGeluTanh,  // x / 2 * (1 + tanh(u)) = x / (1 + exp(-2 u)), u = sqrt(2 / pi) (x + 0.044715 x^3)
  kGelu,      // x / 2 * (1 + erf(x / sqrt(2)))
  kRelu
};

// x = act(x)
void activate_(Activation activation, float* x, int64_t count, Isa isa = best_isa());
// gate = act(gate) * up
void activate_times_(Activation activation, float* gate, const float* up, int64_t count,
                     Isa isa = best_isa());

// Rotary positions, half-split: elements i and i + head_dim / 2 of a head turn by position *
// inverse_frequencies[i] and grow by `magnitude`. As in transformers, angles are rounded to
// float32; cosine and sine are those of the angle. A head that is wider than the frequencies keeps
// its last elements as they are.
class RotaryTable {
 public:
  // head_dim 0: twice the frequencies
  RotaryTable(std::span<const float> inverse_frequencies, int64_t num_positions,
              float magnitude = 1, int64_t head_dim = 0);
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

  int64_t half_, num_positions_, head_dim_;
  std::vector<float> cosines_, sines_;  // [num_positions, half]
};

}  // namespace assay::kernels
