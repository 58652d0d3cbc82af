#pragma once
// What methods know of the inputs of linears.

#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "calibration/hidden_states.h"
#include "compress/compress_linear.h"

namespace assay {

// What is gathered of each input.
struct WantedStatistics {
  bool norm = false, moments = false, hessian = false;
  NormSum norm_sum = NormSum::kDouble;  // of `norm`

  bool any() const { return norm || moments || hessian; }
};
WantedStatistics wanted_statistics(const MethodConfig& config);

// Gathers them, in one pass of the hidden states through the block as it is, for these linears.
// Linears with the same input share them. Errors name the linear whose input is not finite.
std::map<std::string_view, InputStatistics> gather_statistics(
    const Block& block, const ModelConfig& model, const std::vector<CalibrationBatch>& batches,
    std::span<const std::string_view> linears, const WantedStatistics& wanted);

}  // namespace assay
