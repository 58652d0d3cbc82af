#include "compress/awq.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>

#include "base/error.h"
#include "compress/awq_clip.h"
#include "compress/awq_modules.h"
#include "compress/fold_scale.h"
#include "compress/metric.h"

namespace assay {
namespace {

constexpr std::string_view kInputNorm = "input_layernorm", kSecondNorm = "post_attention_layernorm";

const at::Tensor& linear_of(const AwqBlockWeights& weights, std::string_view name) {
  const auto found = weights.linears.find(name);
  require(found != weights.linears.end(), "awq: the block has no weight of ", name);
  return found->second;
}

void check_weights(const AwqBlockWeights& weights) {
  for (const std::string_view name : block_linear_names()) {
    const at::Tensor& weight = linear_of(weights, name);
    in_context(name, [&] {
      require_finite_matrix(weight, "awq: weight");
      require(weight.scalar_type() == at::kFloat, "awq: weight must be float32, got ",
              weight.scalar_type());
    });
  }
}

// The distinct inputs of the seven linears, all tokens: [tokens, in_features], by the first linear
// that is given them.
struct BlockInputs {
  std::map<std::string_view, at::Tensor> of;
  std::vector<int64_t> sequence_rows;

  const at::Tensor& input(std::string_view linear) const {
    return of.at(first_with_same_input(linear));
  }
};

BlockInputs gather_inputs(const Block& dense, const ModelConfig& model,
                          const std::vector<CalibrationBatch>& batches) {
  BlockInputs inputs;
  int64_t tokens = 0;
  for (const CalibrationBatch& batch : batches) {
    for (const Segment& segment : batch.forest.segments) {
      require(segment.parent == -1 && segment.first_position == 0,
              "awq: calibration sequences must not share tokens");
      inputs.sequence_rows.push_back(segment.num_rows);
      tokens += segment.num_rows;
    }
  }
  require(tokens > 0, "awq: no calibration sequence was given");
  int64_t row = 0;
  for (const CalibrationBatch& batch : batches) {
    block_inputs(dense, model, batch.forest, batch.hidden,
                 [&](std::string_view linear, const at::Tensor& input) {
                   if (first_with_same_input(linear) != linear) return;
                   at::Tensor& all = inputs.of[linear];
                   if (!all.defined()) all = at::empty({tokens, input.size(1)}, at::kFloat);
                   all.narrow(0, row, input.size(0)).copy_(input);
                 });
    row += batch.hidden.size(0);
  }
  for (const auto& [linear, input] : inputs.of) {
    const auto& values = input;
    in_context(linear, [&] { require_finite_matrix(values, "awq: inputs"); });
  }
  return inputs;
}

std::vector<AwqPair> search_scales(const AwqBlockWeights& weights, const ModelConfig& model,
                                   const BlockInputs& inputs, const AwqConfig& config) {
  std::vector<AwqPair> pairs;
  const auto add = [&](std::string_view producer, std::vector<std::string_view> consumers,
                       const auto& search) {
    ScaleChoice choice = in_context(consumers.front(), search);
    pairs.push_back(
        {producer, std::move(consumers), std::move(choice.scale), std::move(choice.search)});
  };
  const at::Tensor &q = linear_of(weights, "self_attn.q_proj"),
                   &k = linear_of(weights, "self_attn.k_proj"),
                   &v = linear_of(weights, "self_attn.v_proj"),
                   &o = linear_of(weights, "self_attn.o_proj"),
                   &gate = linear_of(weights, "mlp.gate_proj"),
                   &up = linear_of(weights, "mlp.up_proj"),
                   &down = linear_of(weights, "mlp.down_proj");
  const at::Tensor &attended = inputs.input("self_attn.o_proj"),
                   &gated = inputs.input("mlp.down_proj");
  add(kInputNorm, {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"}, [&] {
    const AttentionModule attention{
        q, k, v, o, inputs.input("self_attn.q_proj"), attended, inputs.sequence_rows};
    return search_attention_scale(attention, model, config.rule, config.quantizer);
  });
  if (v.sizes() == o.sizes()) {
    add("self_attn.v_proj", {"self_attn.o_proj"},
        [&] { return search_linear_scale(o, attended, config.rule, config.quantizer); });
  }
  add(kSecondNorm, {"mlp.gate_proj", "mlp.up_proj"}, [&] {
    const MlpModule mlp{gate, up, down, inputs.input("mlp.gate_proj"), gated};
    return search_mlp_scale(mlp, config.rule, config.quantizer);
  });
  add("mlp.up_proj", {"mlp.down_proj"},
      [&] { return search_linear_scale(down, gated, config.rule, config.quantizer); });
  return pairs;
}

// The reference clips every linear but those before a product of two of them.
bool is_clipped(std::string_view linear) {
  return linear != "self_attn.q_proj" && linear != "self_attn.k_proj";
}

// The sampled inputs of a linear of the folded block.
at::Tensor clip_inputs(std::string_view linear, const BlockInputs& inputs,
                       const std::vector<AwqPair>& pairs) {
  auto sample = awq_clip_sample(inputs.input(linear));
  for (const AwqPair& pair : pairs) {
    if (std::ranges::find(pair.consumers, linear) != pair.consumers.end())
      sample = sample / pair.scale;
  }
  return sample;
}

AwqLinear quantize_linear(const at::Tensor& weight, const AwqQuantizerConfig& config) {
  AwqLinear result;
  result.grid = fit_awq_grid(weight, config);
  result.codes = quantize(weight, result.grid);
  result.values = dequantize(result.codes, result.grid);
  return result;
}

}  // namespace

Block awq_dense_block(const AwqBlockWeights& weights) {
  check_weights(weights);
  const auto linear = [&](std::string_view name) { return Linear(linear_of(weights, name)); };
  Block block;
  block.input_layernorm = weights.input_layernorm;
  block.post_attention_layernorm = weights.post_attention_layernorm;
  block.q_proj = linear("self_attn.q_proj");
  block.k_proj = linear("self_attn.k_proj");
  block.v_proj = linear("self_attn.v_proj");
  block.o_proj = linear("self_attn.o_proj");
  block.gate_proj = linear("mlp.gate_proj");
  block.up_proj = linear("mlp.up_proj");
  block.down_proj = linear("mlp.down_proj");
  return block;
}

AwqBlockWeights awq_fold(const AwqBlockWeights& weights, const std::vector<AwqPair>& pairs) {
  AwqBlockWeights folded = weights;
  const auto replace_ = [&](std::string_view linear, const auto& fold) {
    auto weight = fold(linear_of(folded, linear));
    folded.linears[linear] = std::move(weight);
  };
  for (const AwqPair& pair : pairs) {
    in_context(pair.producer, [&] {
      if (pair.producer == kInputNorm) {
        folded.input_layernorm = fold_into_norm(folded.input_layernorm, pair.scale);
      } else if (pair.producer == kSecondNorm) {
        folded.post_attention_layernorm =
            fold_into_norm(folded.post_attention_layernorm, pair.scale);
      } else {
        replace_(pair.producer,
                 [&](const at::Tensor& weight) { return fold_into_last_rows(weight, pair.scale); });
      }
      for (const std::string_view consumer : pair.consumers) {
        replace_(consumer,
                 [&](const at::Tensor& weight) { return scale_columns(weight, pair.scale); });
      }
    });
  }
  return folded;
}

AwqBlock awq_block(const AwqBlockWeights& weights, const ModelConfig& model,
                   const std::vector<CalibrationBatch>& batches, const AwqConfig& config) {
  check_awq_quantizer(config.quantizer);
  check_weights(weights);
  BlockInputs inputs;
  if (config.scale || config.clip) {
    inputs = gather_inputs(awq_dense_block(weights), model, batches);
  }
  AwqBlock result;
  if (config.scale) result.pairs = search_scales(weights, model, inputs, config);
  const AwqBlockWeights folded = awq_fold(weights, result.pairs);
  result.input_layernorm = folded.input_layernorm;
  result.post_attention_layernorm = folded.post_attention_layernorm;
  for (const std::string_view name : block_linear_names()) {
    result.linears[name] = in_context(name, [&] {
      at::Tensor weight = linear_of(folded, name), steps;
      if (config.clip && is_clipped(name)) {
        steps = awq_clip_steps(weight, clip_inputs(name, inputs, result.pairs), config.quantizer);
        weight =
            awq_clip(weight, awq_clip_bounds(weight, steps, config.quantizer), config.quantizer);
      }
      AwqLinear linear = quantize_linear(weight, config.quantizer);
      linear.clip_steps = steps;
      return linear;
    });
  }
  return result;
}

}  // namespace assay
