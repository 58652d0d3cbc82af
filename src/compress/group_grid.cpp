#include "compress/group_grid.h"

#include <cmath>
#include <cstdint>
#include <limits>

#include "base/error.h"

namespace assay {
namespace {

GroupGrid grid_of_range(float lo, float hi, const QuantizerConfig& config, float max_code) {
  const float scale = (hi - lo) / max_code;
  return {scale, config.sym ? (max_code + 1) / 2 : round_half_even(-lo / scale)};
}

// The best of 80 shrunken ranges by sum |error|^2.4, the first of equals.
GroupGrid search_grid(std::span<const float> values, float lo, float hi,
                      const QuantizerConfig& config, float max_code) {
  GroupGrid best = grid_of_range(lo, hi, config, max_code);
  double least = std::numeric_limits<double>::infinity();
  for (int step = 0; step < 80; ++step) {
    const auto shrink = static_cast<float>(1 - step / 100.0);
    const GroupGrid grid = grid_of_range(shrink * lo, shrink * hi, config, max_code);
    double error = 0;
    for (const float x : values) {
      error += std::pow(std::abs(value_of(code_of(x, grid, max_code), grid) - x), 2.4f);
    }
    if (error < least) {
      least = error;
      best = grid;
    }
  }
  return best;
}

}  // namespace

float max_code_of(const QuantizerConfig& config) {
  return static_cast<float>((int64_t{1} << config.bits) - 1);
}

GroupGrid fit_group(std::span<const float> values, const QuantizerConfig& config) {
  const float max_code = max_code_of(config);
  const auto [min, max] = std::minmax_element(values.begin(), values.end());
  float lo = std::min(*min, 0.0f), hi = std::max(*max, 0.0f);
  if (config.sym) {
    hi = std::max(-lo, hi);
    if (lo < 0 || !config.parity_one_sided) lo = -hi;
  }
  if (lo == 0 && hi == 0) {
    lo = -1;
    hi = 1;
  }
  // A range below the smallest float of full precision has no scale to divide by.
  require((hi - lo) / max_code >= std::numeric_limits<float>::min() && std::isfinite(hi - lo),
          "quantizer: a group spans [", lo, ", ", hi, "], which float32 cannot divide into ",
          max_code, " steps");
  return config.mse ? search_grid(values, lo, hi, config, max_code)
                    : grid_of_range(lo, hi, config, max_code);
}

}  // namespace assay
