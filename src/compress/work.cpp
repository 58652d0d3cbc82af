#include "compress/work.h"

#include <algorithm>

#include "calibration/gradients.h"
#include "calibration/hidden_states.h"
#include "model/block.h"

namespace assay {
namespace {

// A few operations a weight for selection and rounding.
constexpr double kPerWeight = 200;

bool writes_mlp_output(std::string_view linear) {
  return linear.ends_with("down_proj") || linear.ends_with("fc2");
}

// What a block's linears come to, over all of them.
struct Sums {
  double weights = 0;  // of all
  double active = 0;   // that a token is multiplied with
  double last = 0;     // of those, what writes the MLP's output
  double inputs = 0;   // in^2 of each input, times the share of tokens that pass there
  double cubes = 0;    // in^3 of each input
  double sweeps = 0;   // out * in^2
};

Sums sums_of(const ModelConfig& model, MlpKind mlp) {
  Sums sums;
  for (const std::string_view linear : block_linear_names(model, mlp)) {
    const auto shape = linear_shape(linear, model);
    const auto out = static_cast<double>(shape[0]), in = static_cast<double>(shape[1]);
    const double share = expert_part(linear)
                             ? static_cast<double>(model.experts.num_experts_per_tok) /
                                   static_cast<double>(model.experts.num_experts)
                             : 1;
    sums.weights += out * in;
    sums.active += share * out * in;
    if (writes_mlp_output(linear)) sums.last += share * out * in;
    sums.sweeps += out * in * in;
    if (first_with_same_input(linear) != linear) continue;
    sums.inputs += share * in * in;
    sums.cubes += in * in * in;
  }
  return sums;
}

}  // namespace

std::vector<std::vector<std::string_view>> linears_gathered_together(const MethodConfig& config,
                                                                     const ModelConfig& model,
                                                                     MlpKind mlp) {
  const auto all = block_linear_names(model, mlp);
  const auto* gptq = std::get_if<GptqConfig>(&config);
  if (gptq == nullptr || !gptq->true_sequential) return {{all.begin(), all.end()}};
  std::vector<std::vector<std::string_view>> groups(4);
  for (const std::string_view linear : all) {
    const bool is_attention = linear.starts_with("self_attn."),
               is_last = linear.ends_with("o_proj") || writes_mlp_output(linear);
    groups[(is_attention ? 0u : 2u) + (is_last ? 1u : 0u)].push_back(linear);
  }
  return groups;
}

double CompressionWork::total(int64_t num_layers) const {
  const auto layers = static_cast<double>(num_layers);
  return layers * (num_gathers * gather + compress + outliers) + (layers - 1) * pass + gradients;
}

CompressionWork compression_work(const MethodConfig& config, const ModelConfig& model,
                                 int64_t tokens) {
  const auto rows = static_cast<double>(tokens);
  const MlpKind mlp = model.experts.num_experts > 0 ? MlpKind::kExperts : MlpKind::kPlain;
  const Sums sums = sums_of(model, mlp);
  CompressionWork work;
  work.compress = sums.weights * kPerWeight / 1e9;
  if (tokens == 0) return work;
  work.num_gathers = static_cast<double>(linears_gathered_together(config, model, mlp).size());
  work.pass = 2 * rows * sums.active / 1e9;
  work.gather = work.pass - 2 * rows * sums.last / 1e9;  // the last product is left out
  const Needs needs = needs_of(config);
  if (std::holds_alternative<OwlMethodConfig>(config)) work.outliers = work.gather + work.pass;
  if (needs.gradients) work.gradients = gradient_gflop(model, tokens);
  // AWQ tries 20 scales on the linears of a block; what it leaves off half-way, attention and the
  // clip search make up for (measured: about 25 passes over the tokens that it looks at).
  if (const auto* awq = std::get_if<AwqConfig>(&config)) {
    const double seen =
        awq->search_tokens == 0 ? 1 : std::min(1.0, static_cast<double>(awq->search_tokens) / rows);
    work.compress += 25 * work.pass * seen;
  }
  if (!needs.hessian) return work;
  // The Hessian of each input, its factor (2/3 n^3), and the sweep over every row that reads it.
  work.gather += rows * sums.inputs / 1e9 / work.num_gathers;
  work.compress += (2 * sums.cubes / 3 + sums.sweeps) / 1e9;
  return work;
}

}  // namespace assay
