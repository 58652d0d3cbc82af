#pragma once
// One decoder block, on tokens that form a forest: calibration sequences are
// trees without branches, questions share their prefixes. The same code serves calibration and
// scoring.

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/attention.h"
#include "kernels/elementwise.h"
#include "kernels/kv_cache.h"
#include "model/checkpoint.h"
#include "model/config.h"
#include "model/linear.h"
#include "model/tensor_names.h"

namespace assay {

// A run of consecutive rows without a branch. Rows of a segment lie at positions first_position,
// +1, ...
struct Segment {
  int64_t first_row = 0;  // row of its first token in the batch
  int64_t num_rows = 0;
  int64_t first_position = 0;  // RoPE position = number of tokens before it on its path
  int64_t parent =
      -1;  // index of the segment whose last token precedes it (listed earlier), -1 = root
};

// The tokens of a batch in rows; parents come before children.
struct TokenForest {
  std::vector<int32_t> ids;  // one per row
  std::vector<Segment> segments;
};

// Independent sequences, one segment each.
TokenForest forest_of_sequences(const std::vector<std::vector<int32_t>>& sequences);

// A norm of rows, of the config's kind. Without a weight there is none.
struct Norm {
  Norm() = default;
  Norm(at::Tensor w, at::Tensor b = {})  // NOLINT(google-explicit-constructor)
      : weight(std::move(w)), bias(std::move(b)) {}

  at::Tensor weight;  // [hidden_size] float32: what rows are multiplied by
  at::Tensor bias;    // of a layer norm
};

// RMS norms of every head before it turns, [head_dim]; undefined where the model has none.
struct HeadNorms {
  at::Tensor q, k;
};

// Of a layer norm: mean and deviation; of an RMS norm the root of the mean square.
at::Tensor normed(const at::Tensor& x, const Norm& norm, const ModelConfig& config);

struct Mlp {
  Linear gate_proj, up_proj, down_proj;
};

// MLPs of which a token passes through a few: those of the largest router probability, the lower
// number first of equals, each weighted with it. A shared one takes every token, weighted with the
// sigmoid of its gate.
struct Experts {
  Linear router;  // [num_experts, hidden_size], not compressed
  std::vector<Mlp> experts;
  std::optional<Mlp> shared;
  Linear shared_gate;  // [1, hidden_size]
};

struct Block {
  Norm input_layernorm, post_attention_layernorm;
  Linear q_proj, k_proj, v_proj, o_proj;
  // An MLP without a gate has no gate_proj; with experts all three are empty.
  Linear gate_proj, up_proj, down_proj;
  HeadNorms head_norms = {};
  int64_t window = 0;  // rows that a row attends to, itself included; 0 = all before it
  Norm attention_output_norm = {}, mlp_output_norm = {};
  std::optional<Experts> experts = std::nullopt;
};

// The names of a block's linears, in module order (model/tensor_names.h).
std::span<const std::string_view> linear_names_of(const Block& block, const ModelConfig& config);
// The linear of that name, to be looked at or replaced. Error(kInternal) on
// an unknown name.
Linear& linear_of(Block& block, std::string_view name);

// The bias of a linear, undefined where the config has none.
at::Tensor bias_of(const Checkpoint& checkpoint, int64_t layer, std::string_view linear);
HeadNorms load_head_norms(const Checkpoint& checkpoint, int64_t layer);
// Norm `name` ("model.norm", "model.layers.3.input_layernorm") as it multiplies: 1 + w where the
// file holds w.
Norm load_norm(const Checkpoint& checkpoint, const std::string& name);
// The other way: what a file holds for a norm that multiplies by `weight`.
at::Tensor stored_norm_weight(const ModelConfig& config, const at::Tensor& weight);

// Told the input [rows, in_features] of a linear just before it runs (q, k and v are told the same
// tensor).
using LinearInputObserver = std::function<void(std::string_view linear, const at::Tensor& input)>;

// hidden [rows, hidden_size] float32 -> [rows, hidden_size]: x + attn(norm(x)), then x +
// mlp(norm(x)), the variations of model/config.h.
at::Tensor block_forward(const Block& block, const ModelConfig& config, const TokenForest& forest,
                         const at::Tensor& hidden);

// The attention of a layer with this window, without slopes.
kernels::AttentionShape attention_shape(const ModelConfig& config, int64_t window);

// The turns of positions 0 .. num_positions - 1 in a layer with this window (those that slide may
// have a base of their own).
kernels::RotaryTable rotary_table(const ModelConfig& config, int64_t num_positions,
                                  int64_t window = 0);

// What is the same for every block that a forest passes through. Error(kInternal) unless the
// segments cover the rows in order, parents come first and positions follow from them. A root
// segment may start behind position 0: then it continues a path that was computed earlier.
struct ForestLayout {
  ForestLayout(const ModelConfig& config, const TokenForest& forest);

  std::vector<Segment> segments;
  std::vector<int32_t> positions;  // of each row
  // Of layers that see everything and of those that slide; none where positions do not turn.
  std::optional<kernels::RotaryTable> rotary, sliding_rotary;
  std::vector<float> alibi_slopes;  // one a head, or none

  // What turns the heads of a layer with this window; null where nothing does.
  const kernels::RotaryTable* rotary_of(int64_t window) const;
};

// Keys and values of a path that was computed earlier: row p is position p. With a format, rows
// that a forward pass adds go through it (keys behind their rotation) before any query attends to
// them, that of the same token included; rows that are here already went through it. As a row goes
// alone, a sequence gives the same bits at once and token by token.
struct PathCache {
  at::Tensor keys, values;  // [at least the path's length, num_key_value_heads * head_dim]
  std::optional<kernels::KvCacheFormat> format = std::nullopt;  // float32 without
};

// Memory that block_forward_ uses again from block to block.
struct BlockScratch {
  at::Tensor normed, queries, keys, values, attended, attention, mlp_normed, gate, up, mlp;
};

// The inputs of the linears alone. The product of down_proj, on which no input depends, is left
// out: a quarter of the products of SmolLM2's blocks.
void block_inputs(const Block& block, const ModelConfig& config, const TokenForest& forest,
                  const at::Tensor& hidden, const LinearInputObserver& observe);

// The same where hidden may become anything, with memory of the caller's.
void block_inputs_(const Block& block, const ModelConfig& config, const TokenForest& forest,
                   at::Tensor& hidden, const LinearInputObserver& observe, BlockScratch& scratch);

// block_forward in place, and in parts: hidden becomes the block's output. With `wanted_rows`
// (ascending) only those rows leave the block (hidden becomes [wanted rows, hidden_size]); all
// others give keys and values alone. Afterwards scratch.keys and .values hold those of all rows as
// the cache gives them, [rows, num_key_value_heads * head_dim]. Error(kBadInput) on keys or values
// that the path's format cannot hold.
void block_forward_(const Block& block, const ModelConfig& config, const ForestLayout& layout,
                    const PathCache& path, const std::optional<std::vector<int64_t>>& wanted_rows,
                    at::Tensor& hidden, BlockScratch& scratch);

// Parts of a block that methods look at alone, each row as in the whole block, to the bit.
// The input of o_proj: what each row of the forest attends to, for `normed` [rows, hidden_size]
// behind the input norm.
struct AttentionParts {
  const Linear &q_proj, &k_proj, &v_proj;
  HeadNorms head_norms = {};
  int64_t window = 0;
};
at::Tensor attention_output(const AttentionParts& parts, const ModelConfig& config,
                            const ForestLayout& layout, const at::Tensor& normed);
// The input of down_proj, act(gate(x)) * up(x), for x [rows, hidden_size] behind the second norm.
at::Tensor gated_output(const Linear& gate_proj, const Linear& up_proj, const at::Tensor& x,
                        kernels::Activation activation);

// (Where the provenance of the checkpoint asks for a product in 8 bits, the linears compute so.)
// A block whose linears' weights come from `weight_of(linear name)` (so that compressed weights can
// be put in), all else from the checkpoint.
Block make_block(const Checkpoint& checkpoint, int64_t layer,
                 const std::function<at::Tensor(std::string_view linear)>& weight_of);
Block load_block(const Checkpoint& checkpoint, int64_t layer);  // all from the checkpoint

// What token ids become in front of the first block.
struct Embedding {
  Embedding() = default;
  Embedding(at::Tensor table)  // NOLINT(google-explicit-constructor)
      : tokens(std::move(table)) {}

  at::Tensor tokens;     // [vocab_size, hidden_size] float32
  at::Tensor positions;  // [positions, hidden_size]: learned ones, or none
  Norm norm = {};
};

Embedding load_embedding(const Checkpoint& checkpoint);

// Rows of the embedding for the tokens of a forest: [rows, hidden_size] float32.
at::Tensor embed(const Embedding& embedding, const ModelConfig& config, const TokenForest& forest);

// The whole model in memory.
struct CausalLM {
  ModelConfig config;
  Embedding embedding;
  std::vector<Block> blocks;
  Norm norm;
  Linear lm_head;  // tied to the embedding where the checkpoint ties it
  // Of the cache that scoring goes through, where the provenance of the checkpoint asks for one.
  std::optional<kernels::KvCacheFormat> kv_cache = std::nullopt;
};

CausalLM load_causal_lm(const Checkpoint& checkpoint);

}  // namespace assay
