#pragma once
// One decoder block of the Llama family, on tokens that form a forest: calibration sequences are
// trees without branches, questions share their prefixes. The same code serves calibration and
// scoring.

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/elementwise.h"
#include "kernels/kv_cache.h"
#include "model/checkpoint.h"
#include "model/config.h"
#include "model/linear.h"

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

// RMS norms of every head before it turns, [head_dim]; undefined where the model has none.
struct HeadNorms {
  at::Tensor q, k;
};

struct Block {
  at::Tensor input_layernorm, post_attention_layernorm;  // [hidden_size]
  Linear q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj;
  HeadNorms head_norms = {};
  int64_t window = 0;  // rows that a row attends to, itself included; 0 = all before it
};

// The linear of that name, to be looked at or replaced. Error(kInternal) on an unknown name.
Linear& linear_of(Block& block, std::string_view name);

// The names of the seven linears of a block in module order, as in the checkpoint:
// "self_attn.q_proj", ...
std::span<const std::string_view> block_linear_names();
// "model.layers.3.self_attn.q_proj.weight"
std::string linear_weight_name(int64_t layer, std::string_view linear);
std::string linear_bias_name(int64_t layer, std::string_view linear);

// The bias of a linear, undefined where the config has none.
at::Tensor bias_of(const Checkpoint& checkpoint, int64_t layer, std::string_view linear);
HeadNorms load_head_norms(const Checkpoint& checkpoint, int64_t layer);

// Told the input [rows, in_features] of a linear just before it runs (q, k and v are told the same
// tensor).
using LinearInputObserver = std::function<void(std::string_view linear, const at::Tensor& input)>;

// hidden [rows, hidden_size] float32 -> [rows, hidden_size]: x + attn(norm(x)), then x +
// mlp(norm(x)).
at::Tensor block_forward(const Block& block, const ModelConfig& config, const TokenForest& forest,
                         const at::Tensor& hidden);

// The turns of positions 0 .. num_positions - 1.
kernels::RotaryTable rotary_table(const ModelConfig& config, int64_t num_positions);

// What is the same for every block that a forest passes through. Error(kInternal) unless the
// segments cover the rows in order, parents come first and positions follow from them. A root
// segment may start behind position 0: then it continues a path that was computed earlier.
struct ForestLayout {
  ForestLayout(const ModelConfig& config, const TokenForest& forest);

  std::vector<Segment> segments;
  std::vector<int32_t> positions;  // of each row
  kernels::RotaryTable rotary;
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
  at::Tensor normed, queries, keys, values, attended, mlp_normed, gate, up;
};

// The inputs of the seven linears alone. The product of down_proj, on which no input depends, is
// left out: a quarter of the products of SmolLM2's blocks.
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
// The input of down_proj, silu(gate(x)) * up(x), for x [rows, hidden_size] behind the second norm.
at::Tensor gated_output(const Linear& gate_proj, const Linear& up_proj, const at::Tensor& x);

// (Where the provenance of the checkpoint asks for a product in 8 bits, the linears compute so.)
// A block whose seven weights come from `weight_of(linear name)` (so that compressed weights can be
// put in), norms and biases from the checkpoint.
Block make_block(const Checkpoint& checkpoint, int64_t layer,
                 const std::function<at::Tensor(std::string_view linear)>& weight_of);
Block load_block(const Checkpoint& checkpoint, int64_t layer);  // all from the checkpoint

// Rows of the embedding for the tokens of a forest: [rows, hidden_size] float32.
at::Tensor embed(const at::Tensor& embed_tokens, const TokenForest& forest);

// The whole model in memory.
struct CausalLM {
  ModelConfig config;
  at::Tensor embed_tokens;  // [vocab_size, hidden_size]
  std::vector<Block> blocks;
  at::Tensor norm;  // [hidden_size]
  Linear lm_head;   // tied to embed_tokens where the checkpoint ties it
  // Of the cache that scoring goes through, where the provenance of the checkpoint asks for one.
  std::optional<kernels::KvCacheFormat> kv_cache = std::nullopt;
};

CausalLM load_causal_lm(const Checkpoint& checkpoint);

}  // namespace assay
