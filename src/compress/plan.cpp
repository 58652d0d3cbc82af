#include "compress/plan.h"

#include <ATen/ATen.h>

#include <set>
#include <string_view>
#include <variant>

#include "base/error.h"
#include "calibration/gradients.h"
#include "compress/compress_block.h"
#include "compress/save_dtype.h"
#include "compress/work.h"
#include "model/block.h"

namespace assay {
namespace {

// Scales are folded into what stands in front of linears: between the parts of a Llama block.
void require_scales(const MethodConfig& config, const ModelConfig& model) {
  const bool fits = model.norm == NormKind::kRms && model.gated_mlp && !model.parallel_residual &&
                    model.experts.num_experts == 0;
  require(fits, method_of(config).name, ": no place for its scales is known in a model of type ",
          model.model_type);
}

}  // namespace

void require_fits(const MethodConfig& config, const ModelConfig& model) {
  if (compresses_blocks(config)) require_scales(config, model);
  if (needs_of(config).gradients) {
    in_context(method_of(config).name, [&] { require_gradients(model); });
  }
  const auto fits_a_linear = [&](std::string_view pattern) {
    for (int64_t layer = 0; layer < model.num_hidden_layers; ++layer) {
      for (const std::string_view linear : block_linear_names(model, layer)) {
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
                                 const CalibrationSize& calibration,
                                 const CompressOptions& options) {
  const ModelConfig& model = checkpoint.config();
  require_fits(config, model);
  const auto value_bytes = static_cast<int64_t>(at::elementSize(save_type(options.save_dtype)));
  CompressionPlan plan;
  plan.num_layers = model.num_hidden_layers;
  std::set<std::string> linears;
  for (int64_t layer = 0; layer < model.num_hidden_layers; ++layer) {
    for (const std::string_view linear : block_linear_names(model, layer))
      linears.insert(linear_weight_name(layer, linear));
  }
  for (const TensorRecord& record : checkpoint.tensors()) {
    int64_t elements = 1;
    for (const int64_t size : record.shape) elements *= size;
    plan.output_bytes += elements * value_bytes;
    if (!linears.contains(record.name)) continue;
    ++plan.num_linears;
    plan.linear_elements += elements;
  }
  require(plan.num_linears == static_cast<int64_t>(linears.size()), "the checkpoint holds ",
          plan.num_linears, " of the ", linears.size(), " linears that its config announces");
  const bool calibrated = needs_of(config).calibration();
  plan.memory =
      plan_memory(checkpoint, config, calibrated ? calibration : CalibrationSize{}, options);
  if (!calibrated) return plan;
  plan.calibration_sequences = calibration.sequences;
  plan.calibration_tokens = calibration.tokens;
  plan.gflop = compression_work(config, model, plan.calibration_tokens).total(plan.num_layers);
  return plan;
}

}  // namespace assay
