#pragma once
// The calibration sequences on their way through a model, block by block: every hidden state is
// held, in memory or in a file, and one block's weights are in memory.

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/scratch_memory.h"
#include "calibration/input_norms.h"
#include "model/block.h"

namespace assay {

// Some sequences that pass through a block together.
struct CalibrationBatch {
  TokenForest forest;
  std::vector<int64_t> sequence_rows;
  // [rows, hidden_size] float32: input of the next block. A view into what holds the states of all
  // batches; copies of a batch share it, and pass_through_ writes to it.
  at::Tensor hidden;
  std::shared_ptr<const ScratchMemory> states = {};
};

// Embeds the sequences, in order, at most `batch_tokens` rows a batch (a longer sequence is a batch
// of its own). Error(kBadInput): an empty sequence, an id outside the vocabulary, no room on disk
// for the states.
std::vector<CalibrationBatch> embed_sequences(const Embedding& embedding, const ModelConfig& config,
                                              const std::vector<std::vector<int32_t>>& sequences,
                                              int64_t batch_tokens, const ScratchPlace& place = {});

// The batch's states are not needed for a while: those in a file leave memory until then. What goes
// through all batches does so behind each, so that one batch is in memory.
void let_go(const CalibrationBatch& batch);

// The first sequences, whole, that together hold at least `tokens` tokens; all where there are not
// so many. Which they are does not depend on how sequences were cut into batches.
std::vector<CalibrationBatch> first_sequences(const std::vector<CalibrationBatch>& batches,
                                              int64_t tokens);

// Told an input [rows, in_features] and the rows of the sequences that it holds; what is routed to
// an expert counts as one.
using InputObserver = std::function<void(std::string_view linear, const at::Tensor& input,
                                         std::span<const int64_t> sequence_rows)>;

// Tells the inputs of a block's linears for the hidden states that enter it, batch after batch; an
// input that several linears read is told once, by the first of them. The states stay as they are.
// Errors name the linear.
void observe_block_inputs(const Block& block, const ModelConfig& config,
                          const std::vector<CalibrationBatch>& batches,
                          const InputObserver& observe);

// Error(kBadInput) for an expert to which no token was routed, Error(kInternal) for another linear.
[[noreturn]] void fail_without_input(std::string_view linear);

// The input norms of the linears of a block for the hidden states that enter it; the states
// stay as they are. Error(kBadInput) names the linear whose input is not finite.
std::map<std::string_view, at::Tensor> block_input_norms(
    const Block& block, const ModelConfig& config, const std::vector<CalibrationBatch>& batches,
    NormSum sum);

// The hidden states behind the block, in place.
void pass_through_(const Block& block, const ModelConfig& config,
                   std::vector<CalibrationBatch>& batches);

// The linear whose input is the same tensor and comes first: q for k and v, gate for up (of the
// same expert), itself otherwise.
std::string_view first_with_same_input(std::string_view linear);

}  // namespace assay
