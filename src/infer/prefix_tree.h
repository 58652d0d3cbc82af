#pragma once
// Requests as a tree of shared prefixes, rows in depth-first order, and the batches it is cut into.
//
// The last token of a request is predicted but never read, so it has no row. A batch is a slice of
// the rows; of what was computed before it, it needs only the path from the root to its first row.
// So nothing is computed twice, and the keys and values that are kept between batches are those of
// one path, however large or deep the tree is.

#include <cstdint>
#include <span>
#include <vector>

#include "model/block.h"

namespace assay {

struct ScoreRequest;

struct TreeQuestion {
  int64_t row;      // whose hidden state predicts
  int32_t token;    // this token
  int64_t request;  // of this request
};

struct PrefixTree {
  TokenForest forest;                   // all rows, depth first
  std::vector<TreeQuestion> questions;  // by row; those of a request in the order of its tokens
  int64_t longest_path = 0;             // rows
};

PrefixTree build_prefix_tree(std::span<const ScoreRequest> requests);

// Rows [first_row, last_row) as a forest of their own; what hangs on earlier rows becomes a root
// segment that starts behind position 0.
TokenForest slice_forest(const TokenForest& forest, int64_t first_row, int64_t last_row);

// The rows of the path from the root to just before `row`, one per position.
std::vector<int64_t> path_before(const TokenForest& forest, int64_t row);

}  // namespace assay
