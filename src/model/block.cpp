#include "model/block.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace assay {
namespace {

std::span<const float> floats(const at::Tensor& t) {
  return {t.const_data_ptr<float>(), static_cast<size_t>(t.numel())};
}

// The first `rows` rows of a scratch tensor that grows when it must.
at::Tensor scratch_rows(at::Tensor& tensor, int64_t rows, int64_t columns) {
  if (!tensor.defined() || tensor.size(0) < rows || tensor.size(1) != columns) {
    tensor = at::empty({rows, columns}, at::kFloat);
  }
  return tensor.narrow(0, 0, rows);
}

void norm_into(const at::Tensor& x, const Norm& norm, const ModelConfig& config, at::Tensor& y) {
  const float* from = x.const_data_ptr<float>();
  float* to = y.mutable_data_ptr<float>();
  if (config.norm == NormKind::kLayer) {
    kernels::layer_norm(from, x.size(0), floats(norm.weight), floats(norm.bias),
                        config.rms_norm_eps, to);
  } else {
    kernels::rms_norm(from, x.size(0), floats(norm.weight), config.rms_norm_eps, to);
  }
}

at::Tensor norm_rows(const at::Tensor& x, const Norm& norm, const ModelConfig& config,
                     at::Tensor& scratch) {
  auto y = scratch_rows(scratch, x.size(0), x.size(1));
  norm_into(x, norm, config, y);
  return y;
}

// x [rows, num_heads * head_dim], head by head, in place. Nothing where there is no norm.
void norm_heads_(at::Tensor& x, const at::Tensor& weight, const ModelConfig& config) {
  if (!weight.defined()) return;
  kernels::rms_norm(x.const_data_ptr<float>(), x.numel() / config.head_dim, floats(weight),
                    config.rms_norm_eps, x.mutable_data_ptr<float>());
}

// Nothing where positions do not turn heads.
void rotate_(at::Tensor& x, const ForestLayout& layout, int64_t window, int64_t num_heads,
             std::span<const int32_t> positions) {
  const auto* rotary = layout.rotary_of(window);
  if (rotary != nullptr)
    rotary->rotate_(x.mutable_data_ptr<float>(), x.size(0), num_heads, positions);
}

kernels::AttentionShape shape_in(const ForestLayout& layout, const ModelConfig& config,
                                 int64_t window) {
  auto shape = attention_shape(config, window);
  shape.alibi_slopes = layout.alibi_slopes;
  return shape;
}

// One a head: 2^(-8 i / n) for n heads, a power of two; for other numbers those of the next lower
// power, then every second one of the next higher (Press et al.'s released code).
std::vector<float> alibi_slopes(int64_t num_heads) {
  const auto lower = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(num_heads)));
  std::vector<float> slopes;
  const auto add = [&](int64_t of, int64_t count, int64_t step) {
    const auto base = static_cast<float>(std::exp2(-8.0 / static_cast<double>(of)));
    for (int64_t i = 0; i < count; ++i)
      slopes.push_back(std::pow(base, static_cast<float>(1 + i * step)));
  };
  add(lower, lower, 1);
  if (lower < num_heads) add(2 * lower, num_heads - lower, 2);
  return slopes;
}

// Rows as the cache gives them back; without a format as they are.
void through_cache_(std::string_view name, at::Tensor& rows, const ModelConfig& config,
                    const std::optional<kernels::KvCacheFormat>& format) {
  if (!format) return;
  in_context(name, [&] {
    kernels::through_cache_(rows.mutable_data_ptr<float>(), rows.size(0),
                            config.num_key_value_heads, config.head_dim, *format);
  });
}

at::Tensor apply(const Linear& linear, const at::Tensor& x, at::Tensor& scratch) {
  auto y = scratch_rows(scratch, x.size(0), linear.out_features());
  linear.write_(x, y);
  return y;
}

// The rows that hold the path of a segment, its own included, from position 0 on.
std::vector<kernels::KeyRun> path_of(const std::vector<Segment>& segments, size_t segment,
                                     const PathCache& path, const at::Tensor& keys,
                                     const at::Tensor& values) {
  const int64_t width = keys.size(1);
  std::vector<kernels::KeyRun> runs;
  auto at = static_cast<int64_t>(segment);
  while (true) {
    const Segment& s = segments[static_cast<size_t>(at)];
    runs.push_back({.keys = keys.const_data_ptr<float>() + s.first_row * width,
                    .values = values.const_data_ptr<float>() + s.first_row * width,
                    .num_rows = s.num_rows});
    if (s.parent < 0) {
      if (s.first_position > 0) {
        if (!path.keys.defined() || path.keys.size(0) < s.first_position) {
          fail(ErrorKind::kInternal, "block_forward: a segment starts at position ",
               s.first_position, " of a path that was not given");
        }
        runs.push_back({.keys = path.keys.const_data_ptr<float>(),
                        .values = path.values.const_data_ptr<float>(),
                        .num_rows = s.first_position});
      }
      break;
    }
    at = s.parent;
  }
  std::ranges::reverse(runs);
  return runs;
}

// Runs of wanted rows that follow each other in one segment; query i belongs to wanted row i.
std::vector<kernels::QueryRun> query_runs(const ForestLayout& layout,
                                          const std::vector<int64_t>& wanted, const PathCache& path,
                                          const at::Tensor& queries, const at::Tensor& keys,
                                          const at::Tensor& values, at::Tensor& out) {
  std::vector<kernels::QueryRun> runs;
  const int64_t width = queries.size(1);
  size_t next = 0;
  for (size_t s = 0; s < layout.segments.size(); ++s) {
    const Segment& segment = layout.segments[s];
    const int64_t end = segment.first_row + segment.num_rows;
    while (next < wanted.size() && wanted[next] < end) {
      size_t last = next + 1;
      while (last < wanted.size() && wanted[last] < end && wanted[last] == wanted[last - 1] + 1)
        ++last;
      const auto first = static_cast<int64_t>(next);
      runs.push_back({.queries = queries.const_data_ptr<float>() + first * width,
                      .out = out.mutable_data_ptr<float>() + first * width,
                      .num_rows = static_cast<int64_t>(last - next),
                      .first_position = segment.first_position + wanted[next] - segment.first_row,
                      .path = path_of(layout.segments, s, path, keys, values)});
      next = last;
    }
  }
  return runs;
}

void check_segments(const TokenForest& forest) {
  int64_t row = 0;
  for (size_t i = 0; i < forest.segments.size(); ++i) {
    const Segment& s = forest.segments[i];
    const bool has_parent = s.parent >= 0;
    bool ok = s.first_row == row && s.num_rows > 0 && s.parent < static_cast<int64_t>(i) &&
              s.first_position >= 0;
    if (ok && has_parent) {
      const Segment& parent = forest.segments[static_cast<size_t>(s.parent)];
      ok = s.first_position == parent.first_position + parent.num_rows;
    }
    if (!ok)
      fail(ErrorKind::kInternal, "forest: segment ", i, " does not follow from those before it");
    row += s.num_rows;
  }
  if (row != static_cast<int64_t>(forest.ids.size())) {
    fail(ErrorKind::kInternal, "forest: segments hold ", row, " rows of ", forest.ids.size());
  }
}

std::vector<int32_t> row_positions(const TokenForest& forest) {
  check_segments(forest);
  std::vector<int32_t> positions;
  positions.reserve(forest.ids.size());
  for (const Segment& s : forest.segments) {
    for (int64_t i = 0; i < s.num_rows; ++i)
      positions.push_back(static_cast<int32_t>(s.first_position + i));
  }
  return positions;
}

int64_t num_positions(const TokenForest& forest) {
  int64_t count = 0;
  for (const Segment& s : forest.segments) count = std::max(count, s.first_position + s.num_rows);
  return count;
}

// One pass of a forest through a block, its linears told of what they are given.
class BlockPass {
 public:
  BlockPass(const Block& block, const ModelConfig& config, const ForestLayout& layout,
            const PathCache& path, BlockScratch& scratch, const LinearInputObserver& observe)
      : block_(block),
        config_(config),
        layout_(layout),
        path_(path),
        scratch_(scratch),
        observe_(observe) {}

  // hidden becomes the block's output; without `last_product` what it was before what no input
  // depends on: the product of down_proj.
  void run_(at::Tensor& hidden, const std::optional<std::vector<int64_t>>& wanted_rows,
            bool last_product) {
    const auto rows = static_cast<int64_t>(layout_.positions.size());
    require(hidden.dim() == 2 && hidden.size(0) == rows && hidden.size(1) == config_.hidden_size &&
                hidden.is_contiguous() && hidden.scalar_type() == at::kFloat,
            "block_forward: hidden must be contiguous float32 [", rows, ", ", config_.hidden_size,
            "], got ", hidden.scalar_type(), " ", hidden.sizes());
    const auto normed = norm_rows(hidden, block_.input_layernorm, config_, scratch_.normed);
    const auto [keys, values] = keys_and_values(normed);
    // From here on only the wanted rows matter.
    at::Tensor query_input = normed;
    if (wanted_rows) {
      wanted_ = *wanted_rows;
      for (const int64_t row : wanted_)
        positions_.push_back(layout_.positions[static_cast<size_t>(row)]);
      const auto index = at::tensor(wanted_, at::kLong);
      query_input = normed.index_select(0, index);
      hidden = hidden.index_select(0, index);
    } else {
      wanted_.resize(static_cast<size_t>(rows));
      std::iota(wanted_.begin(), wanted_.end(), 0);
      positions_ = layout_.positions;
    }
    if (wanted_.empty()) return;
    const auto attended = attend(query_input, keys, values);
    if (!config_.parallel_residual) {
      add_output_(block_.o_proj, attended, block_.attention_output_norm, scratch_.attention,
                  hidden);
      const auto mlp_input =
          norm_rows(hidden, block_.post_attention_layernorm, config_, scratch_.mlp_normed);
      return mlp_(mlp_input, hidden, last_product);
    }
    const auto mlp_input = config_.shared_norm ? query_input
                                               : norm_rows(hidden, block_.post_attention_layernorm,
                                                           config_, scratch_.mlp_normed);
    block_.o_proj.add_(attended, hidden);
    mlp_(mlp_input, hidden, last_product);
  }

 private:
  void tell(std::string_view linear, const at::Tensor& input) const {
    if (observe_) observe_(linear, input);
  }

  std::pair<at::Tensor, at::Tensor> keys_and_values(const at::Tensor& normed) {
    tell("self_attn.q_proj", normed);
    tell("self_attn.k_proj", normed);
    tell("self_attn.v_proj", normed);
    auto keys = apply(block_.k_proj, normed, scratch_.keys);
    auto values = apply(block_.v_proj, normed, scratch_.values);
    norm_heads_(keys, block_.head_norms.k, config_);
    rotate_(keys, layout_, block_.window, config_.num_key_value_heads, layout_.positions);
    through_cache_("keys", keys, config_, path_.format);
    through_cache_("values", values, config_, path_.format);
    return {keys, values};
  }

  // What o_proj is given for the wanted rows.
  at::Tensor attend(const at::Tensor& query_input, const at::Tensor& keys,
                    const at::Tensor& values) {
    auto queries = apply(block_.q_proj, query_input, scratch_.queries);
    norm_heads_(queries, block_.head_norms.q, config_);
    rotate_(queries, layout_, block_.window, config_.num_attention_heads, positions_);
    auto attended = scratch_rows(scratch_.attended, queries.size(0), queries.size(1));
    kernels::attention(shape_in(layout_, config_, block_.window),
                       query_runs(layout_, wanted_, path_, queries, keys, values, attended));
    tell("self_attn.o_proj", attended);
    return attended;
  }

  // hidden += linear(x), normed first where there is a norm.
  void add_output_(const Linear& linear, const at::Tensor& x, const Norm& norm, at::Tensor& scratch,
                   at::Tensor& hidden) {
    if (!norm.weight.defined()) return linear.add_(x, hidden);
    auto y = apply(linear, x, scratch);
    norm_into(y, norm, config_, y);
    hidden.add_(y);
  }

  void mlp_(const at::Tensor& input, at::Tensor& hidden, bool last_product) {
    if (block_.experts) return experts_(input, hidden, last_product);
    const auto inner = inner_of(block_.gate_proj, block_.up_proj, "mlp.", input);
    if (last_product) {
      add_output_(block_.down_proj, inner, block_.mlp_output_norm, scratch_.mlp, hidden);
    }
  }

  // What the last linear of an MLP is given. The observer knows its linears by `prefix`.
  at::Tensor inner_of(const Linear& gate_proj, const Linear& up_proj, const std::string& prefix,
                      const at::Tensor& input) {
    const auto tell_part = [&](std::string_view part, const at::Tensor& x) {
      if (observe_) observe_(lasting_name(prefix + std::string(part)), x);
    };
    if (!config_.gated_mlp) {
      tell_part("fc1", input);
      auto inner = apply(up_proj, input, scratch_.up);
      kernels::activate_(config_.hidden_act, inner.mutable_data_ptr<float>(), inner.numel());
      tell_part("fc2", inner);
      return inner;
    }
    tell_part("gate_proj", input);
    tell_part("up_proj", input);
    auto gate = apply(gate_proj, input, scratch_.gate);
    const auto up = apply(up_proj, input, scratch_.up);
    kernels::activate_times_(config_.hidden_act, gate.mutable_data_ptr<float>(),
                             up.const_data_ptr<float>(), gate.numel());
    tell_part("down_proj", gate);
    return gate;
  }

  // Experts in order, so that a row's sum does not depend on the other rows.
  void experts_(const at::Tensor& input, at::Tensor& hidden, bool last_product) {
    const Experts& experts = *block_.experts;
    const auto routes = routes_of(experts.router(input), config_.experts);
    auto sum = at::zeros_like(hidden);
    for (size_t e = 0; e < experts.experts.size(); ++e) {
      const Route& route = routes[e];
      if (route.rows.empty()) continue;
      const Mlp& mlp = experts.experts[e];
      const auto rows = at::tensor(route.rows, at::kLong);
      const auto inner =
          inner_of(mlp.gate_proj, mlp.up_proj, "mlp.experts." + std::to_string(e) + ".",
                   input.index_select(0, rows));
      if (!last_product) continue;
      const auto weights = at::tensor(route.weights, at::kFloat).unsqueeze(1);
      sum.index_add_(0, rows, mlp.down_proj(inner) * weights);
    }
    if (experts.shared) {
      const Mlp& mlp = *experts.shared;
      const auto inner = inner_of(mlp.gate_proj, mlp.up_proj, "mlp.shared_expert.", input);
      if (last_product) sum.add_(mlp.down_proj(inner) * at::sigmoid(experts.shared_gate(input)));
    }
    if (last_product) hidden.add_(sum);
  }

  // The rows of an expert, ascending, and what each is weighted with.
  struct Route {
    std::vector<int64_t> rows;
    std::vector<float> weights;
  };

  // router [rows, num_experts]: logits.
  static std::vector<Route> routes_of(const at::Tensor& router, const ExpertConfig& config) {
    std::vector<Route> routes(static_cast<size_t>(config.num_experts));
    const auto probabilities = router.softmax(-1);
    std::vector<int64_t> order(routes.size());
    for (int64_t row = 0; row < router.size(0); ++row) {
      const float* p = probabilities.const_data_ptr<float>() + row * config.num_experts;
      std::iota(order.begin(), order.end(), 0);
      const auto chosen = order.begin() + config.num_experts_per_tok;
      std::partial_sort(order.begin(), chosen, order.end(),
                        [&](int64_t a, int64_t b) { return p[a] != p[b] ? p[a] > p[b] : a < b; });
      float sum = 0;
      for (auto e = order.begin(); e != chosen; ++e) sum += p[*e];
      for (auto e = order.begin(); e != chosen; ++e) {
        Route& route = routes[static_cast<size_t>(*e)];
        route.rows.push_back(row);
        route.weights.push_back(config.norm_topk_prob ? p[*e] / sum : p[*e]);
      }
    }
    return routes;
  }

  const Block& block_;
  const ModelConfig& config_;
  const ForestLayout& layout_;
  const PathCache& path_;
  BlockScratch& scratch_;
  const LinearInputObserver& observe_;
  std::vector<int64_t> wanted_;  // rows that leave the block
  std::vector<int32_t> positions_;
};

}  // namespace

at::Tensor normed(const at::Tensor& x, const Norm& norm, const ModelConfig& config) {
  auto y = at::empty_like(x);
  norm_into(x, norm, config, y);
  return y;
}

TokenForest forest_of_sequences(const std::vector<std::vector<int32_t>>& sequences) {
  TokenForest forest;
  for (const auto& ids : sequences) {
    if (ids.empty()) continue;
    forest.segments.push_back({.first_row = static_cast<int64_t>(forest.ids.size()),
                               .num_rows = static_cast<int64_t>(ids.size()),
                               .first_position = 0,
                               .parent = -1});
    forest.ids.insert(forest.ids.end(), ids.begin(), ids.end());
  }
  return forest;
}

kernels::AttentionShape attention_shape(const ModelConfig& c, int64_t window) {
  const double scale = c.query_pre_attn_scalar > 0 ? 1 / std::sqrt(c.query_pre_attn_scalar) : 0;
  return {.num_heads = c.num_attention_heads,
          .num_kv_heads = c.num_key_value_heads,
          .head_dim = c.head_dim,
          .window = window,
          .scale = static_cast<float>(scale),
          .softcap = static_cast<float>(c.attn_logit_softcapping)};
}

kernels::RotaryTable rotary_table(const ModelConfig& c, int64_t num_positions, int64_t window) {
  const bool is_local = window > 0 && c.local_rope_theta > 0;
  const auto frequencies = is_local
                               ? rotary_frequencies(rotary_width(c), c.local_rope_theta, {})
                               : rotary_frequencies(rotary_width(c), c.rope_theta, c.rope_scaling);
  return {frequencies.inverse, num_positions, frequencies.magnitude, c.head_dim};
}

ForestLayout::ForestLayout(const ModelConfig& config, const TokenForest& forest)
    : segments(forest.segments), positions(row_positions(forest)) {
  const int64_t count = num_positions(forest);
  if (config.positions == PositionKind::kAlibi)
    alibi_slopes = assay::alibi_slopes(config.num_attention_heads);
  if (config.positions != PositionKind::kRotary) return;
  rotary = rotary_table(config, count);
  if (config.local_rope_theta > 0)
    sliding_rotary = rotary_table(config, count, config.sliding_window);
}

const kernels::RotaryTable* ForestLayout::rotary_of(int64_t window) const {
  if (window > 0 && sliding_rotary) return &*sliding_rotary;
  return rotary ? &*rotary : nullptr;
}

void block_forward_(const Block& block, const ModelConfig& config, const ForestLayout& layout,
                    const PathCache& path, const std::optional<std::vector<int64_t>>& wanted_rows,
                    at::Tensor& hidden, BlockScratch& scratch) {
  BlockPass(block, config, layout, path, scratch, {}).run_(hidden, wanted_rows, true);
}

at::Tensor block_forward(const Block& block, const ModelConfig& config, const TokenForest& forest,
                         const at::Tensor& hidden) {
  auto out = hidden.clone(at::MemoryFormat::Contiguous);
  BlockScratch scratch;
  block_forward_(block, config, ForestLayout(config, forest), {}, std::nullopt, out, scratch);
  return out;
}

void block_inputs(const Block& block, const ModelConfig& config, const TokenForest& forest,
                  const at::Tensor& hidden, const LinearInputObserver& observe) {
  auto states = hidden.clone(at::MemoryFormat::Contiguous);
  BlockScratch scratch;
  block_inputs_(block, config, forest, states, observe, scratch);
}

void block_inputs_(const Block& block, const ModelConfig& config, const TokenForest& forest,
                   at::Tensor& hidden, const LinearInputObserver& observe, BlockScratch& scratch) {
  const ForestLayout layout(config, forest);
  BlockPass(block, config, layout, {}, scratch, observe).run_(hidden, std::nullopt, false);
}

at::Tensor attention_output(const AttentionParts& parts, const ModelConfig& config,
                            const ForestLayout& layout, const at::Tensor& normed) {
  const auto rows = static_cast<int64_t>(layout.positions.size());
  require(normed.dim() == 2 && normed.size(0) == rows, "attention_output: expected ", rows,
          " rows, got ", normed.sizes());
  auto queries = parts.q_proj(normed), keys = parts.k_proj(normed);
  const auto values = parts.v_proj(normed);
  norm_heads_(queries, parts.head_norms.q, config);
  norm_heads_(keys, parts.head_norms.k, config);
  rotate_(keys, layout, parts.window, config.num_key_value_heads, layout.positions);
  rotate_(queries, layout, parts.window, config.num_attention_heads, layout.positions);
  std::vector<int64_t> all(static_cast<size_t>(rows));
  std::iota(all.begin(), all.end(), 0);
  auto attended = at::empty({rows, queries.size(1)}, at::kFloat);
  kernels::attention(shape_in(layout, config, parts.window),
                     query_runs(layout, all, {}, queries, keys, values, attended));
  return attended;
}

at::Tensor gated_output(const Linear& gate_proj, const Linear& up_proj, const at::Tensor& x,
                        kernels::Activation activation) {
  auto gate = gate_proj(x);
  const auto up = up_proj(x);
  kernels::activate_times_(activation, gate.mutable_data_ptr<float>(), up.const_data_ptr<float>(),
                           gate.numel());
  return gate;
}

at::Tensor embed(const Embedding& embedding, const ModelConfig& config, const TokenForest& forest) {
  const int64_t vocab_size = embedding.tokens.size(0), width = embedding.tokens.size(1);
  require(embedding.tokens.scalar_type() == at::kFloat, "embed: embeddings must be float32");
  const auto table = embedding.tokens.contiguous();
  auto hidden = at::empty({static_cast<int64_t>(forest.ids.size()), width}, at::kFloat);
  const float* from = table.const_data_ptr<float>();
  float* to = hidden.mutable_data_ptr<float>();
  for (const int32_t id : forest.ids) {
    require(id >= 0 && id < vocab_size, "token id ", id, " is outside the vocabulary of ",
            vocab_size);
    to = std::copy_n(from + id * width, width, to);
  }
  if (config.embedding_scale != 1) hidden.mul_(static_cast<float>(config.embedding_scale));
  if (embedding.positions.defined()) {
    const auto rows = at::tensor(row_positions(forest), at::kInt) + config.position_offset;
    hidden.add_(embedding.positions.index_select(0, rows));
  }
  if (embedding.norm.weight.defined()) hidden = normed(hidden, embedding.norm, config);
  return hidden;
}

}  // namespace assay
