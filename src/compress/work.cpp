#include "compress/work.h"

#include <algorithm>

#include "calibration/gradients.h"
#include "model/block.h"

namespace assay {
namespace {

using Names = std::span<const std::string_view>;

// A few operations a weight for selection and rounding.
constexpr double kPerWeight = 200;

}  // namespace

std::vector<Names> linears_gathered_together(const MethodConfig& config) {
  const Names all = block_linear_names();
  const auto* gptq = std::get_if<GptqConfig>(&config);
  if (gptq == nullptr || !gptq->true_sequential) return {all};
  return {all.subspan(0, 3), all.subspan(3, 1), all.subspan(4, 2), all.subspan(6, 1)};
}

double CompressionWork::total(int64_t num_layers) const {
  const auto layers = static_cast<double>(num_layers);
  return layers * (num_gathers * gather + compress + outliers) + (layers - 1) * pass + gradients;
}

CompressionWork compression_work(const MethodConfig& config, const ModelConfig& model,
                                 int64_t tokens) {
  const auto hidden = static_cast<double>(model.hidden_size),
             mlp = static_cast<double>(model.intermediate_size),
             heads = static_cast<double>(model.num_attention_heads * model.head_dim),
             kv = static_cast<double>(model.num_key_value_heads * model.head_dim),
             rows = static_cast<double>(tokens);
  const double weights = hidden * (2 * heads + 2 * kv) + 3 * hidden * mlp;
  CompressionWork work;
  work.compress = weights * kPerWeight / 1e9;
  if (tokens == 0) return work;
  work.num_gathers = static_cast<double>(linears_gathered_together(config).size());
  work.pass = 2 * rows * weights / 1e9;
  work.gather = work.pass - 2 * rows * hidden * mlp / 1e9;  // down_proj's product is left out
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
  // Of the three inputs of width hidden_size (q's, o's, gate's) and that of down_proj: the Hessian,
  // its factor (2/3 n^3), and the sweep over every row that reads it.
  const double inputs = 2 * hidden * hidden + heads * heads + mlp * mlp;
  const double cubes = 2 * hidden * hidden * hidden + heads * heads * heads + mlp * mlp * mlp;
  const double sweeps = hidden * hidden * (heads + 2 * kv) + heads * heads * hidden +
                        2 * hidden * hidden * mlp + mlp * mlp * hidden;
  work.gather += rows * inputs / 1e9 / work.num_gathers;
  work.compress += (2 * cubes / 3 + sweeps) / 1e9;
  return work;
}

}  // namespace assay
