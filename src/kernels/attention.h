#pragma once
// Causal attention over a prefix tree: a row attends to the rows on its path, wherever they lie in
// memory, so the work grows with the tree's edges. A row's result depends on its path alone, to the
// bit:
//   score_j = scale * dot(q, k_j), the products in eight interleaved chains of fma; where asked,
//   cap * tanh(score_j / cap), and slope * j added (ALiBi, Press et al., arXiv:2108.12409);
//   p_j = exp(score_j - max), summed in eight chains that start at position 0; out = (sum p_j v_j
//   in one chain) / sum.

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/isa.h"

namespace assay::kernels {

struct AttentionShape {
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;  // divides num_heads; heads i * group .. share key head i
  int64_t head_dim = 0;
  int64_t window = 0;  // a row sees itself and the window - 1 rows before it; 0 = all before it
  float scale = 0;     // 0 = 1 / sqrt(head_dim)
  float softcap = 0;   // 0 = none
  std::span<const float> alibi_slopes = {};  // one a head, or none
};

float score_scale(const AttentionShape& shape);

// The first position that a row at `position` sees.
constexpr int64_t first_seen(const AttentionShape& shape, int64_t position) {
  return shape.window > 0 && position >= shape.window ? position + 1 - shape.window : 0;
}

// Rows that follow each other in memory and on the path: [num_rows, num_kv_heads * head_dim].
struct KeyRun {
  const float* keys;
  const float* values;
  int64_t num_rows;
};

// Queries at positions first_position, +1, ... of one path: queries and out are [num_rows,
// num_heads * head_dim].
struct QueryRun {
  const float* queries;
  float* out;
  int64_t num_rows;
  int64_t first_position;
  std::vector<KeyRun>
      path;  // positions 0 .. first_position + num_rows - 1 (what lies behind is ignored)
};

void attention(const AttentionShape& shape, std::span<const QueryRun> runs, Isa isa = best_isa());

}  // namespace assay::kernels
