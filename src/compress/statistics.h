#pragma once
// What methods know of the inputs of linears.

#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "calibration/hidden_states.h"
#include "compress/compress_linear.h"

namespace assay {

// Gathers, in one pass of the hidden states through the block as it is, what the method needs of
// the inputs of these linears (gradients apart). Linears with the same input share it. Errors name
// the linear whose input is not finite.
std::map<std::string_view, InputStatistics> gather_statistics(
    const Block& block, const ModelConfig& model, const std::vector<CalibrationBatch>& batches,
    std::span<const std::string_view> linears, const MethodConfig& config);

}  // namespace assay
