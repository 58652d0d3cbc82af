#pragma once
// Log-probabilities of a few tokens over a large vocabulary, without the logits of the others ever
// in memory.

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/gemm.h"

namespace assay::kernels {

struct TokenQuestion {
  int64_t row;    // of the hidden states
  int32_t token;  // in [0, out_features)
};

struct TokenAnswer {
  double log_probability;  // logit - log(sum of exp(logits)), natural logarithm
  bool is_greedy;          // no other logit is larger, and no lower id has the same
};

// hidden [num_rows, in_features]; questions sorted by row. The logits of a tile of columns are
// formed, read and overwritten; per row and tile remain the largest logit, its id and the sum of
// exp(logit - largest) in eight chains. Tiles are then joined in double, in order: an answer
// depends on its row alone, to the bit. With a softcap > 0 a logit is cap * tanh(logit / cap).
std::vector<TokenAnswer> token_log_probabilities(const PackedWeight& head, const float* hidden,
                                                 int64_t num_rows,
                                                 std::span<const TokenQuestion> questions,
                                                 float softcap = 0);

}  // namespace assay::kernels
