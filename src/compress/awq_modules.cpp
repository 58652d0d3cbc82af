#include "compress/awq_modules.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "compress/error_energy.h"
#include "compress/metric.h"
#include "model/block.h"

namespace assay {
namespace {

constexpr int64_t kParts = 8;  // into which the tokens are cut
constexpr int64_t kLeastPart =
    480;  // tokens: with fewer, changing candidates costs more than they do
constexpr int64_t kMostPart = 4080;  // tokens whose intermediates are held at a time

int64_t part_size(int64_t tokens) {
  return std::clamp((tokens + kParts - 1) / kParts, kLeastPart, kMostPart);
}

void check_matrix(const at::Tensor& matrix, int64_t rows, int64_t cols, std::string_view what) {
  require_finite_matrix(matrix, what);
  require(matrix.scalar_type() == at::kFloat && matrix.size(0) == rows && matrix.size(1) == cols,
          what, " must be float32 [", rows, ", ", cols, "], got ", matrix.scalar_type(), " ",
          matrix.sizes());
}

void check_attention(const AttentionModule& module, const ModelConfig& model,
                     const AwqQuantizerConfig& config) {
  check_awq_quantizer(config);
  const int64_t hidden = model.hidden_size, heads = model.num_attention_heads * model.head_dim,
                kv_heads = model.num_key_value_heads * model.head_dim;
  check_matrix(module.q_proj, heads, hidden, "awq: q_proj");
  check_matrix(module.k_proj, kv_heads, hidden, "awq: k_proj");
  check_matrix(module.v_proj, kv_heads, hidden, "awq: v_proj");
  check_matrix(module.o_proj, hidden, heads, "awq: o_proj");
  int64_t tokens = 0;
  for (const int64_t rows : module.sequence_rows) {
    require(rows > 0, "awq: a sequence of ", rows, " tokens");
    tokens += rows;
  }
  check_matrix(module.normed, tokens, hidden, "awq: inputs of q_proj");
  check_matrix(module.attended, tokens, heads, "awq: inputs of o_proj");
}

void check_mlp(const MlpModule& module, const AwqQuantizerConfig& config) {
  check_awq_quantizer(config);
  require(module.gate_proj.dim() == 2 && module.normed.dim() == 2,
          "awq: gate_proj and its inputs must be matrices");
  const int64_t inner = module.gate_proj.size(0), hidden = module.gate_proj.size(1),
                tokens = module.normed.size(0);
  check_matrix(module.gate_proj, inner, hidden, "awq: gate_proj");
  check_matrix(module.up_proj, inner, hidden, "awq: up_proj");
  check_matrix(module.down_proj, hidden, inner, "awq: down_proj");
  check_matrix(module.normed, tokens, hidden, "awq: inputs of gate_proj");
  check_matrix(module.gated, tokens, inner, "awq: inputs of down_proj");
}

// A module's quantized consumers at the grid point that was asked for last.
class Candidates {
 public:
  Candidates(std::vector<at::Tensor> weights, const std::vector<at::Tensor>& biases,
             const std::vector<at::Tensor>& scales, const AwqQuantizerConfig& config)
      : weights_(std::move(weights)), biases_(biases), scales_(scales), config_(config) {}

  const std::vector<Linear>& at_point(int64_t point) {
    if (point == point_) return linears_;
    linears_.clear();
    for (size_t i = 0; i < weights_.size(); ++i) {
      linears_.emplace_back(
          awq_scaled_values(weights_[i], scales_[static_cast<size_t>(point)], config_), biases_[i]);
    }
    point_ = point;
    return linears_;
  }

 private:
  std::vector<at::Tensor> weights_;
  const std::vector<at::Tensor>&biases_, &scales_;
  AwqQuantizerConfig config_;
  int64_t point_ = -1;
  std::vector<Linear> linears_;
};

at::Tensor attention_of(const std::vector<Linear>& linears, const AttentionModule& module,
                        const ModelConfig& model, const ForestLayout& layout,
                        const at::Tensor& normed) {
  return attention_output({linears[0], linears[1], linears[2], module.head_norms, module.window},
                          model, layout, normed);
}

// Whole sequences that pass through the attention together.
struct SequencePart {
  int64_t first_row = 0, num_rows = 0;
  ForestLayout layout;
};

std::vector<SequencePart> cut_sequences(const std::vector<int64_t>& sequence_rows,
                                        const ModelConfig& model, int64_t rows_of_part) {
  std::vector<SequencePart> parts;
  TokenForest forest;
  int64_t first_row = 0;
  const auto finish = [&] {
    if (forest.segments.empty()) return;
    const auto rows = static_cast<int64_t>(forest.ids.size());
    parts.push_back({first_row, rows, ForestLayout(model, forest)});
    first_row += rows;
    forest = {};
  };
  for (const int64_t rows : sequence_rows) {
    const auto before = static_cast<int64_t>(forest.ids.size());
    if (before + rows > rows_of_part) finish();
    forest.segments.push_back({.first_row = static_cast<int64_t>(forest.ids.size()),
                               .num_rows = rows,
                               .first_position = 0,
                               .parent = -1});
    forest.ids.resize(forest.ids.size() + static_cast<size_t>(rows), 0);
  }
  finish();
  return parts;
}

// Tokens by falling |gated|, the earlier first of equals: [tokens] int64.
at::Tensor by_falling_size(const at::Tensor& gated) {
  std::vector<at::Tensor> parts;  // the squares of all tokens would take three times the inputs
  for (int64_t first = 0; first < gated.size(0); first += kMostPart) {
    const auto part = gated.narrow(0, first, std::min(kMostPart, gated.size(0) - first));
    parts.push_back(part.square().to(at::kDouble).sum(1));
  }
  const auto sizes = at::cat(parts);
  return std::get<1>(sizes.sort(/*stable=*/true, /*dim=*/0, /*descending=*/true));
}

// The losses of all points, one after the other, with at:: products alone.
template <class Output>
GridSearch search_plain(const at::Tensor& dense, const Output& output) {
  GridSearch search;
  search.loss = std::numeric_limits<double>::infinity();
  for (int64_t point = 0; point < kAwqGridPoints; ++point) {
    const at::Tensor change = output(point) - dense;
    const auto loss = change.square().to(at::kDouble).sum().item<double>();
    search.losses.push_back(loss);
    ++search.parts_seen;
    if (loss < search.loss) {
      search.loss = loss;
      search.point = point;
    }
  }
  return search;
}

}  // namespace

ScaleChoice search_attention_scale(const AttentionModule& module, const ModelConfig& model,
                                   AwqScaleRule rule, const AwqQuantizerConfig& config) {
  check_attention(module, model, config);
  const std::vector<at::Tensor> consumers{module.q_proj, module.k_proj, module.v_proj};
  const auto scales = awq_candidate_scales(module.normed, consumers, rule, config);
  const int64_t tokens = module.normed.size(0);
  const auto parts = cut_sequences(module.sequence_rows, model, part_size(tokens));
  const Linear o_proj(module.o_proj);
  Candidates candidates(consumers, module.biases, scales, config);
  auto search = least_loss(
      kAwqGridPoints, static_cast<int64_t>(parts.size()), [&](int64_t point, int64_t index) {
        const SequencePart& part = parts[static_cast<size_t>(index)];
        const auto& linears = candidates.at_point(point);
        const auto normed = module.normed.narrow(0, part.first_row, part.num_rows);
        const auto change = attention_of(linears, module, model, part.layout, normed)
                                .sub_(module.attended.narrow(0, part.first_row, part.num_rows));
        return sum_of_squares(o_proj(change));
      });
  return choose_scale(scales, std::move(search), tokens * model.hidden_size);
}

ScaleChoice search_mlp_scale(const MlpModule& module, AwqScaleRule rule,
                             const AwqQuantizerConfig& config) {
  check_mlp(module, config);
  const std::vector<at::Tensor> consumers{module.gate_proj, module.up_proj};
  const auto scales = awq_candidate_scales(module.normed, consumers, rule, config);
  const int64_t tokens = module.normed.size(0), rows_of_part = part_size(tokens);
  const auto order = by_falling_size(module.gated);
  const Linear down_proj(module.down_proj);
  Candidates candidates(consumers, module.biases, scales, config);
  auto search = least_loss(
      kAwqGridPoints, (tokens + rows_of_part - 1) / rows_of_part, [&](int64_t point, int64_t part) {
        const int64_t first = part * rows_of_part;
        const auto rows = order.narrow(0, first, std::min(rows_of_part, tokens - first));
        const auto& linears = candidates.at_point(point);
        const auto change = gated_output(linears[0], linears[1],
                                         module.normed.index_select(0, rows), module.activation)
                                .sub_(module.gated.index_select(0, rows));
        return sum_of_squares(down_proj(change));
      });
  return choose_scale(scales, std::move(search), tokens * module.down_proj.size(0));
}

ScaleChoice search_attention_scale_plain(const AttentionModule& module, const ModelConfig& model,
                                         AwqScaleRule rule, const AwqQuantizerConfig& config) {
  check_attention(module, model, config);
  const std::vector<at::Tensor> consumers{module.q_proj, module.k_proj, module.v_proj};
  const auto scales = awq_candidate_scales(module.normed, consumers, rule, config);
  const int64_t tokens = module.normed.size(0);
  const auto whole = cut_sequences(module.sequence_rows, model, tokens);
  const auto output = [&](int64_t point) {
    const auto& scale = scales[static_cast<size_t>(point)];
    std::vector<Linear> linears;
    linears.reserve(consumers.size());
    for (size_t i = 0; i < consumers.size(); ++i) {
      linears.emplace_back(awq_scaled_values(consumers[i], scale, config), module.biases[i]);
    }
    return attention_of(linears, module, model, whole[0].layout, module.normed)
        .matmul(module.o_proj.t());
  };
  auto search = search_plain(module.attended.matmul(module.o_proj.t()), output);
  return choose_scale(scales, std::move(search), tokens * model.hidden_size);
}

ScaleChoice search_mlp_scale_plain(const MlpModule& module, AwqScaleRule rule,
                                   const AwqQuantizerConfig& config) {
  check_mlp(module, config);
  const std::vector<at::Tensor> consumers{module.gate_proj, module.up_proj};
  const auto scales = awq_candidate_scales(module.normed, consumers, rule, config);
  const auto output = [&](int64_t point) {
    const auto& scale = scales[static_cast<size_t>(point)];
    const auto of = [&](size_t i) {
      const auto y = module.normed.matmul(awq_scaled_values(consumers[i], scale, config).t());
      return module.biases[i].defined() ? y + module.biases[i] : y;
    };
    auto gate = of(0).contiguous();
    kernels::activate_(module.activation, gate.mutable_data_ptr<float>(), gate.numel());
    return (gate * of(1)).matmul(module.down_proj.t());
  };
  auto search = search_plain(module.gated.matmul(module.down_proj.t()), output);
  return choose_scale(scales, std::move(search), module.normed.size(0) * module.down_proj.size(0));
}

}  // namespace assay
