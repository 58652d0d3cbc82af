#include "calibration/hidden_states.h"

#include <ATen/ATen.h>

#include <array>
#include <string>

#include "base/error.h"

namespace assay {
namespace {

// Each batch's view into one piece of memory for all, filled with the embeddings of its tokens.
void embed_into(const std::shared_ptr<const ScratchMemory>& states, const Embedding& embedding,
                const ModelConfig& config, std::vector<CalibrationBatch>& batches) {
  const int64_t width = embedding.tokens.size(1);
  auto* next = reinterpret_cast<float*>(states->bytes().data());
  for (CalibrationBatch& batch : batches) {
    const auto rows = static_cast<int64_t>(batch.forest.ids.size());
    batch.states = states;
    batch.hidden = at::from_blob(
        next, {rows, width}, [states](void* /*data*/) { /* ends with the last view */ },
        at::kFloat);
    batch.hidden.copy_(embed(embedding, config, batch.forest));
    let_go(batch);
    next += rows * width;
  }
}

}  // namespace

std::vector<CalibrationBatch> embed_sequences(const Embedding& embedding, const ModelConfig& config,
                                              const std::vector<std::vector<int32_t>>& sequences,
                                              int64_t batch_tokens, const ScratchPlace& place) {
  std::vector<CalibrationBatch> batches;
  std::vector<std::vector<int32_t>> together;
  int64_t rows = 0, all_rows = 0;
  const auto finish_batch = [&] {
    if (together.empty()) return;
    CalibrationBatch& batch = batches.emplace_back();
    batch.forest = forest_of_sequences(together);
    for (const auto& ids : together)
      batch.sequence_rows.push_back(static_cast<int64_t>(ids.size()));
    all_rows += rows;
    together.clear();
    rows = 0;
  };
  for (const auto& ids : sequences) {
    require(!ids.empty(), "calibration: an empty sequence");
    if (rows + static_cast<int64_t>(ids.size()) > batch_tokens) finish_batch();
    together.push_back(ids);
    rows += static_cast<int64_t>(ids.size());
  }
  finish_batch();
  const auto bytes = static_cast<uint64_t>(all_rows * embedding.tokens.size(1)) * sizeof(float);
  embed_into(std::make_shared<const ScratchMemory>(bytes, place), embedding, config, batches);
  return batches;
}

void let_go(const CalibrationBatch& batch) {
  if (batch.states == nullptr) return;  // a tensor of its own
  batch.states->let_go({static_cast<const std::byte*>(batch.hidden.const_data_ptr()),
                        static_cast<size_t>(batch.hidden.nbytes())});
}

std::vector<CalibrationBatch> first_sequences(const std::vector<CalibrationBatch>& batches,
                                              int64_t tokens) {
  std::vector<CalibrationBatch> first;
  int64_t left = tokens;
  for (const CalibrationBatch& batch : batches) {
    if (left <= 0) break;
    size_t count = 0;
    int64_t rows = 0;
    while (count < batch.sequence_rows.size() && rows < left) rows += batch.sequence_rows[count++];
    CalibrationBatch& part = first.emplace_back();
    part.forest.ids.assign(batch.forest.ids.begin(), batch.forest.ids.begin() + rows);
    part.forest.segments.assign(batch.forest.segments.begin(),
                                batch.forest.segments.begin() + static_cast<int64_t>(count));
    part.sequence_rows.assign(batch.sequence_rows.begin(),
                              batch.sequence_rows.begin() + static_cast<int64_t>(count));
    part.hidden = batch.hidden.narrow(0, 0, rows);
    part.states = batch.states;
    left -= rows;
  }
  return first;
}

void fail_without_input(std::string_view linear) {
  require(!expert_part(linear), linear,
          ": no calibration token is routed to this expert; more calibration text is needed");
  fail(ErrorKind::kInternal, "nothing was told of the input of ", linear);
}

std::string_view first_with_same_input(std::string_view linear) {
  constexpr std::string_view kUp = "up_proj";
  if (linear == "self_attn.k_proj" || linear == "self_attn.v_proj") return "self_attn.q_proj";
  if (linear == "mlp.up_proj") return "mlp.gate_proj";
  if (!linear.ends_with(kUp)) return linear;
  return lasting_name(std::string(linear.substr(0, linear.size() - kUp.size())) + "gate_proj");
}

void observe_block_inputs(const Block& block, const ModelConfig& config,
                          const std::vector<CalibrationBatch>& batches,
                          const InputObserver& observe) {
  BlockScratch scratch;
  auto states = at::empty({0}, at::kFloat);
  for (const CalibrationBatch& batch : batches) {
    states.resize_(batch.hidden.sizes()).copy_(batch.hidden);
    const auto tell = [&](std::string_view linear, const at::Tensor& input) {
      if (first_with_same_input(linear) != linear) return;
      const std::array rows{input.size(0)};
      const auto sequences =
          expert_part(linear) ? std::span<const int64_t>(rows) : batch.sequence_rows;
      in_context(linear, [&] { observe(linear, input, sequences); });
    };
    block_inputs_(block, config, batch.forest, states, tell, scratch);
    let_go(batch);
  }
}

std::map<std::string_view, at::Tensor> block_input_norms(
    const Block& block, const ModelConfig& config, const std::vector<CalibrationBatch>& batches,
    NormSum sum) {
  std::map<std::string_view, InputNorms> gathered;
  observe_block_inputs(block, config, batches,
                       [&](std::string_view linear, const at::Tensor& input,
                           std::span<const int64_t> sequence_rows) {
                         gathered.try_emplace(linear, sum).first->second.add(input, sequence_rows);
                       });
  std::map<std::string_view, at::Tensor> norms;
  for (const std::string_view linear : linear_names_of(block, config)) {
    const auto source = gathered.find(first_with_same_input(linear));
    if (source == gathered.end()) fail_without_input(linear);
    norms[linear] = in_context(linear, [&] { return source->second.norms(); });
  }
  return norms;
}

void pass_through_(const Block& block, const ModelConfig& config,
                   std::vector<CalibrationBatch>& batches) {
  BlockScratch scratch;
  for (CalibrationBatch& batch : batches) {
    block_forward_(block, config, ForestLayout(config, batch.forest), {}, std::nullopt,
                   batch.hidden, scratch);
    let_go(batch);
  }
}

}  // namespace assay
