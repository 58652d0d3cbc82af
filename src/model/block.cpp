#include "model/block.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "kernels/attention.h"

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

at::Tensor norm_rows(const at::Tensor& x, const at::Tensor& weight, double eps,
                     at::Tensor& scratch) {
  auto y = scratch_rows(scratch, x.size(0), x.size(1));
  kernels::rms_norm(x.const_data_ptr<float>(), x.size(0), floats(weight), eps,
                    y.mutable_data_ptr<float>());
  return y;
}

// x [rows, num_heads * head_dim], head by head, in place. Nothing where there is no norm.
void norm_heads_(at::Tensor& x, const at::Tensor& weight, const ModelConfig& config) {
  if (!weight.defined()) return;
  kernels::rms_norm(x.const_data_ptr<float>(), x.numel() / config.head_dim, floats(weight),
                    config.rms_norm_eps, x.mutable_data_ptr<float>());
}

kernels::AttentionShape attention_shape(const ModelConfig& config, int64_t window) {
  return {.num_heads = config.num_attention_heads,
          .num_kv_heads = config.num_key_value_heads,
          .head_dim = config.head_dim,
          .window = window};
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

// Everything before down_proj: hidden becomes x + attn(norm(x)) of the wanted rows; given is the
// input of down_proj, undefined where no row is wanted.
at::Tensor forward_to_down_proj_(const Block& block, const ModelConfig& config,
                                 const ForestLayout& layout, const PathCache& path,
                                 const std::optional<std::vector<int64_t>>& wanted_rows,
                                 at::Tensor& hidden, BlockScratch& scratch,
                                 const LinearInputObserver& observe) {
  const auto tell = [&](std::string_view linear, const at::Tensor& input) {
    if (observe) observe(linear, input);
  };
  const auto rows = static_cast<int64_t>(layout.positions.size());
  require(hidden.dim() == 2 && hidden.size(0) == rows && hidden.size(1) == config.hidden_size &&
              hidden.is_contiguous() && hidden.scalar_type() == at::kFloat,
          "block_forward: hidden must be contiguous float32 [", rows, ", ", config.hidden_size,
          "], got ", hidden.scalar_type(), " ", hidden.sizes());

  const auto normed = norm_rows(hidden, block.input_layernorm, config.rms_norm_eps, scratch.normed);
  tell("self_attn.q_proj", normed);
  tell("self_attn.k_proj", normed);
  tell("self_attn.v_proj", normed);
  auto keys = apply(block.k_proj, normed, scratch.keys);
  auto values = apply(block.v_proj, normed, scratch.values);
  norm_heads_(keys, block.head_norms.k, config);
  layout.rotary.rotate_(keys.mutable_data_ptr<float>(), rows, config.num_key_value_heads,
                        layout.positions);
  through_cache_("keys", keys, config, path.format);
  through_cache_("values", values, config, path.format);

  // From here on only the wanted rows matter.
  std::vector<int64_t> wanted;
  std::vector<int32_t> positions;
  at::Tensor query_input = normed;
  if (wanted_rows) {
    wanted = *wanted_rows;
    for (const int64_t row : wanted)
      positions.push_back(layout.positions[static_cast<size_t>(row)]);
    const auto index = at::tensor(wanted, at::kLong);
    query_input = normed.index_select(0, index);
    hidden = hidden.index_select(0, index);
  } else {
    wanted.resize(static_cast<size_t>(rows));
    std::iota(wanted.begin(), wanted.end(), 0);
    positions = layout.positions;
  }
  const auto num_wanted = static_cast<int64_t>(wanted.size());
  if (num_wanted == 0) return {};

  auto queries = apply(block.q_proj, query_input, scratch.queries);
  norm_heads_(queries, block.head_norms.q, config);
  layout.rotary.rotate_(queries.mutable_data_ptr<float>(), num_wanted, config.num_attention_heads,
                        positions);
  auto attended = scratch_rows(scratch.attended, num_wanted, queries.size(1));
  kernels::attention(attention_shape(config, block.window),
                     query_runs(layout, wanted, path, queries, keys, values, attended));
  tell("self_attn.o_proj", attended);
  block.o_proj.add_(attended, hidden);

  const auto mlp_normed =
      norm_rows(hidden, block.post_attention_layernorm, config.rms_norm_eps, scratch.mlp_normed);
  tell("mlp.gate_proj", mlp_normed);
  tell("mlp.up_proj", mlp_normed);
  auto gate = apply(block.gate_proj, mlp_normed, scratch.gate);
  const auto up = apply(block.up_proj, mlp_normed, scratch.up);
  kernels::silu_times_(gate.mutable_data_ptr<float>(), up.const_data_ptr<float>(), gate.numel());
  tell("mlp.down_proj", gate);
  return gate;
}

}  // namespace

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

kernels::RotaryTable rotary_table(const ModelConfig& config, int64_t num_positions) {
  const auto frequencies =
      rotary_frequencies(config.head_dim, config.rope_theta, config.rope_scaling);
  return {frequencies.inverse, num_positions, frequencies.magnitude};
}

ForestLayout::ForestLayout(const ModelConfig& config, const TokenForest& forest)
    : segments(forest.segments),
      positions(row_positions(forest)),
      rotary(rotary_table(config, num_positions(forest))) {}

void block_forward_(const Block& block, const ModelConfig& config, const ForestLayout& layout,
                    const PathCache& path, const std::optional<std::vector<int64_t>>& wanted_rows,
                    at::Tensor& hidden, BlockScratch& scratch) {
  const auto gate =
      forward_to_down_proj_(block, config, layout, path, wanted_rows, hidden, scratch, {});
  if (gate.defined()) block.down_proj.add_(gate, hidden);
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
  forward_to_down_proj_(block, config, ForestLayout(config, forest), {}, std::nullopt, hidden,
                        scratch, observe);
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
  layout.rotary.rotate_(keys.mutable_data_ptr<float>(), rows, config.num_key_value_heads,
                        layout.positions);
  layout.rotary.rotate_(queries.mutable_data_ptr<float>(), rows, config.num_attention_heads,
                        layout.positions);
  std::vector<int64_t> all(static_cast<size_t>(rows));
  std::iota(all.begin(), all.end(), 0);
  auto attended = at::empty({rows, queries.size(1)}, at::kFloat);
  kernels::attention(attention_shape(config, parts.window),
                     query_runs(layout, all, {}, queries, keys, values, attended));
  return attended;
}

at::Tensor gated_output(const Linear& gate_proj, const Linear& up_proj, const at::Tensor& x) {
  auto gate = gate_proj(x);
  const auto up = up_proj(x);
  kernels::silu_times_(gate.mutable_data_ptr<float>(), up.const_data_ptr<float>(), gate.numel());
  return gate;
}

at::Tensor embed(const at::Tensor& embed_tokens, const TokenForest& forest) {
  const int64_t vocab_size = embed_tokens.size(0), width = embed_tokens.size(1);
  require(embed_tokens.scalar_type() == at::kFloat, "embed: embeddings must be float32");
  const auto table = embed_tokens.contiguous();
  auto hidden = at::empty({static_cast<int64_t>(forest.ids.size()), width}, at::kFloat);
  const float* from = table.const_data_ptr<float>();
  float* to = hidden.mutable_data_ptr<float>();
  for (const int32_t id : forest.ids) {
    require(id >= 0 && id < vocab_size, "token id ", id, " is outside the vocabulary of ",
            vocab_size);
    to = std::copy_n(from + id * width, width, to);
  }
  return hidden;
}

}  // namespace assay
