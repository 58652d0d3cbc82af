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
  std::map<std::string_view, int64_t> filled;  // rows
  observe_block_inputs(
      dense, model, batches,
      [&](std::string_view linear, const at::Tensor& input, std::span<const int64_t>) {
        at::Tensor& all = inputs.of[linear];
        if (!all.defined()) all = at::empty({tokens, input.size(1)}, at::kFloat);
        all.narrow(0, filled[linear], input.size(0)).copy_(input);
        filled[linear] += input.size(0);
      });
  for (const auto& [linear, input] : inputs.of) {
    const auto& values = input;
    in_context(linear, [&] { require_finite_matrix(values, "awq: inputs"); });
  }
  return inputs;
}

std::vector<AwqPair> search_scales(const BlockWeights& weights, const ModelConfig& model,
                                   const BlockInputs& inputs, const AwqConfig& config) {
  std::vector<AwqPair> pairs;
  const auto add = [&](std::string_view producer, std::vector<std::string_view> consumers,
                       const auto& search) {
    ScaleChoice choice = in_context(consumers.front(), search);
    pairs.push_back(
        {producer, std::move(consumers), std::move(choice.scale), std::move(choice.search)});
  };
  const at::Tensor &q = weights.linear("self_attn.q_proj"), &k = weights.linear("self_attn.k_proj"),
                   &v = weights.linear("self_attn.v_proj"), &o = weights.linear("self_attn.o_proj"),
                   &gate = weights.linear("mlp.gate_proj"), &up = weights.linear("mlp.up_proj"),
                   &down = weights.linear("mlp.down_proj");
  const at::Tensor &attended = inputs.input("self_attn.o_proj"),
                   &gated = inputs.input("mlp.down_proj");
  add(kInputNorm, {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"}, [&] {
    const AttentionModule attention{
        q,
        k,
        v,
        o,
        inputs.input("self_attn.q_proj"),
        attended,
        inputs.sequence_rows,
        {weights.bias("self_attn.q_proj"), weights.bias("self_attn.k_proj"),
         weights.bias("self_attn.v_proj")},
        weights.head_norms,
        weights.window};
    return search_attention_scale(attention, model, scale_rule_of(config), config);
  });
  if (v.sizes() == o.sizes()) {
    add("self_attn.v_proj", {"self_attn.o_proj"},
        [&] { return search_linear_scale(o, attended, scale_rule_of(config), config); });
  }
  add(kSecondNorm, {"mlp.gate_proj", "mlp.up_proj"}, [&] {
    const MlpModule mlp{gate,
                        up,
                        down,
                        inputs.input("mlp.gate_proj"),
                        gated,
                        {weights.bias("mlp.gate_proj"), weights.bias("mlp.up_proj")},
                        model.hidden_act};
    return search_mlp_scale(mlp, scale_rule_of(config), config);
  });
  add("mlp.up_proj", {"mlp.down_proj"},
      [&] { return search_linear_scale(down, gated, scale_rule_of(config), config); });
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

AwqScaleRule scale_rule_of(const AwqConfig& config) {
  return config.duo_scaling ? AwqScaleRule::kDuo : AwqScaleRule::kInputs;
}

BlockWeights awq_fold(const BlockWeights& weights, const std::vector<AwqPair>& pairs) {
  BlockWeights folded = weights;
  const auto replace_ = [&](std::string_view linear, const auto& fold) {
    auto weight = fold(folded.linear(linear));
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
        if (const auto bias = folded.bias(pair.producer); bias.defined())
          folded.biases[pair.producer] = fold_into_norm(bias, pair.scale);
      }
      for (const std::string_view consumer : pair.consumers) {
        replace_(consumer,
                 [&](const at::Tensor& weight) { return scale_columns(weight, pair.scale); });
      }
    });
  }
  return folded;
}

AwqBlock awq_block(const BlockWeights& weights, const ModelConfig& model,
                   const std::vector<CalibrationBatch>& batches, const AwqConfig& config) {
  check_awq_quantizer(config);
  const Block dense = dense_block(weights);
  BlockInputs inputs;
  if (config.scale || config.clip) {
    inputs = gather_inputs(
        dense, model,
        config.search_tokens == 0 ? batches : first_sequences(batches, config.search_tokens));
  }
  AwqBlock result;
  if (config.scale) result.pairs = search_scales(weights, model, inputs, config);
  const BlockWeights folded = awq_fold(weights, result.pairs);
  result.input_layernorm = folded.input_layernorm;
  result.post_attention_layernorm = folded.post_attention_layernorm;
  for (const std::string_view name : block_linear_names()) {
    result.linears[name] = in_context(name, [&] {
      at::Tensor weight = folded.linear(name), steps;
      if (config.clip && is_clipped(name)) {
        steps = awq_clip_steps(weight, clip_inputs(name, inputs, result.pairs), config);
        weight = awq_clip(weight, awq_clip_bounds(weight, steps, config), config);
      }
      AwqLinear linear = quantize_linear(weight, config);
      linear.clip_steps = steps;
      return linear;
    });
  }
  return result;
}

}  // namespace assay
