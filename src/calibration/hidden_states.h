#pragma once
// The calibration sequences on their way through a model, block by block: every hidden state is
// held, one block's weights are.

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "calibration/input_norms.h"
#include "model/block.h"

namespace assay {

// Some sequences that pass through a block together.
struct CalibrationBatch {
  TokenForest forest;
  std::vector<int64_t> sequence_rows;
  at::Tensor hidden;  // [rows, hidden_size] float32: input of the next block
};

// Embeds the sequences, in order, at most `batch_tokens` rows a batch (a longer sequence is a batch
// of its own).
std::vector<CalibrationBatch> embed_sequences(const at::Tensor& embed_tokens,
                                              const std::vector<std::vector<int32_t>>& sequences,
                                              int64_t batch_tokens);

// The first sequences, whole, that together hold at least `tokens` tokens; all where there are not
// so many. Which they are does not depend on how sequences were cut into batches.
std::vector<CalibrationBatch> first_sequences(const std::vector<CalibrationBatch>& batches,
                                              int64_t tokens);

// Told an input [rows, in_features] and the rows of the sequences that it holds.
using InputObserver = std::function<void(std::string_view linear, const at::Tensor& input,
                                         std::span<const int64_t> sequence_rows)>;

// Tells the inputs of a block's linears for the hidden states that enter it, batch after batch; an
// input that several linears read is told once, by the first of them. The states stay as they are.
// Errors name the linear.
void observe_block_inputs(const Block& block, const ModelConfig& config,
                          const std::vector<CalibrationBatch>& batches,
                          const InputObserver& observe);

// The input norms of the seven linears of a block for the hidden states that enter it; the states
// stay as they are. Error(kBadInput) names the linear whose input is not finite.
std::map<std::string_view, at::Tensor> block_input_norms(
    const Block& block, const ModelConfig& config, const std::vector<CalibrationBatch>& batches,
    NormSum sum);

// The hidden states behind the block.
void pass_through_(const Block& block, const ModelConfig& config,
                   std::vector<CalibrationBatch>& batches);

// The linear whose input is the same tensor and comes first: q for k and v, gate for up, itself
// otherwise.
std::string_view first_with_same_input(std::string_view linear);

}  // namespace assay
