#include "compress/plan.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <variant>

#include "base/error.h"
#include "compress/save_dtype.h"
#include "compress/work.h"
#include "model/block.h"

namespace assay {

void require_fits(const MethodConfig& config, const ModelConfig& model) {
  const auto fits_a_linear = [&](std::string_view pattern) {
    for (int64_t layer = 0; layer < model.num_hidden_layers; ++layer) {
      for (const std::string_view linear : block_linear_names()) {
        if (fits_tensor(pattern, linear_weight_name(layer, linear))) return true;
      }
    }
    return false;
  };
  const auto check = [&](const auto& c) {
    if constexpr (requires { c.bits_by_tensor; }) {
      for (const BitsOverride& override : c.bits_by_tensor) {
        require(fits_a_linear(override.tensors), "bits: '", override.tensors,
                "' fits no linear of this model (names look like layers.0.mlp.down_proj)");
      }
    }
  };
  std::visit(check, config);
}

bool is_worth_a_journal(double gflop) { return gflop > 20e3; }

CompressionPlan plan_compression(const Checkpoint& checkpoint, const MethodConfig& config,
                                 int64_t samples, int64_t length, const CompressOptions& options) {
  const ModelConfig& model = checkpoint.config();
  require_fits(config, model);
  const auto value_bytes = static_cast<int64_t>(at::elementSize(save_type(options.save_dtype)));
  CompressionPlan plan;
  plan.num_layers = model.num_hidden_layers;
  int64_t largest = 0, block = 0;
  std::set<std::string> linears;
  for (int64_t layer = 0; layer < model.num_hidden_layers; ++layer) {
    for (const std::string_view linear : block_linear_names())
      linears.insert(linear_weight_name(layer, linear));
  }
  int64_t embedding = 0;
  for (const TensorRecord& record : checkpoint.tensors()) {
    int64_t elements = 1;
    for (const int64_t size : record.shape) elements *= size;
    plan.output_bytes += elements * value_bytes;
    if (record.name == "model.embed_tokens.weight") embedding = elements;
    if (!linears.contains(record.name)) continue;
    ++plan.num_linears;
    plan.linear_elements += elements;
    largest = std::max(largest, elements);
  }
  require(plan.num_linears == static_cast<int64_t>(linears.size()), "the checkpoint holds ",
          plan.num_linears, " of the ", linears.size(), " linears that its config announces");
  block = plan.linear_elements / plan.num_layers;
  // A linear being compressed: decoded, metric, mask or codes, result and its norm in float64.
  const int64_t one_linear = largest * (4 + 4 + 1 + 4 + 8);
  plan.memory_bytes = std::max(one_linear, embedding * 4);
  if (!needs_of(config).calibration()) return plan;
  plan.calibration_sequences = samples;
  plan.calibration_tokens = samples * length;
  const int64_t rows = std::min(plan.calibration_tokens, std::max(options.batch_tokens, length));
  const int64_t per_row =
      4 * (3 * model.hidden_size + 2 * model.intermediate_size +
           2 * (model.num_attention_heads + model.num_key_value_heads) * model.head_dim);
  const int64_t hidden = plan.calibration_tokens * model.hidden_size * 4;
  plan.memory_bytes =
      hidden +
      std::max(embedding * 4, block * 4 + statistics_bytes(config, model, plan.calibration_tokens) +
                                  std::max(one_linear, rows * per_row));
  plan.gflop = compression_work(config, model, plan.calibration_tokens).total(plan.num_layers);
  return plan;
}

}  // namespace assay
