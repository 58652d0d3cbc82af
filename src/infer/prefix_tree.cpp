#include "infer/prefix_tree.h"

#include <algorithm>
#include <numeric>

#include "infer/score.h"

namespace assay {
namespace {

// Token `i` of context + continuation.
int32_t token_at(const ScoreRequest& request, size_t i) {
  const size_t context = request.context_ids.size();
  return i < context ? request.context_ids[i] : request.continuation_ids[i - context];
}

size_t num_inputs(const ScoreRequest& r) {
  return r.context_ids.size() + r.continuation_ids.size() - 1;
}

std::vector<int32_t> inputs_of(const ScoreRequest& request) {
  std::vector<int32_t> ids = request.context_ids;
  ids.insert(ids.end(), request.continuation_ids.begin(), request.continuation_ids.end() - 1);
  return ids;
}

// One request in depth-first order: its rows are those at depths [shared, inputs.size()).
struct Branch {
  size_t request = 0;
  std::vector<int32_t> inputs;
  int64_t shared = 0;         // depth up to which the branch before it is the same
  std::vector<int64_t> cuts;  // depths inside its own rows where later branches leave
};

std::vector<Branch> sorted_branches(std::span<const ScoreRequest> requests) {
  std::vector<Branch> branches(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    branches[i].request = i;
    branches[i].inputs = inputs_of(requests[i]);
  }
  std::ranges::stable_sort(branches, {}, &Branch::inputs);
  for (size_t i = 1; i < branches.size(); ++i) {
    const auto& before = branches[i - 1].inputs;
    branches[i].shared = std::ranges::mismatch(before, branches[i].inputs).in1 - before.begin();
  }
  return branches;
}

// A branch that leaves in the middle of an earlier one cuts it there.
void find_cuts(std::vector<Branch>& branches) {
  struct Open {
    size_t branch;
    int64_t start, end;  // depths that later branches may still leave from
  };
  std::vector<Open> path;
  for (size_t i = 0; i < branches.size(); ++i) {
    const int64_t shared = branches[i].shared, depth = std::ssize(branches[i].inputs);
    while (!path.empty() && path.back().start >= shared) path.pop_back();
    if (depth == shared) continue;  // the same rows as the branch before
    if (!path.empty() && path.back().end > shared) {
      branches[path.back().branch].cuts.push_back(shared);
      path.back().end = shared;
    }
    path.push_back({.branch = i, .start = shared, .end = depth});
  }
  for (Branch& b : branches) std::ranges::sort(b.cuts);
}

}  // namespace

PrefixTree build_prefix_tree(std::span<const ScoreRequest> requests) {
  auto branches = sorted_branches(requests);
  find_cuts(branches);
  PrefixTree tree;
  std::vector<int64_t> open;       // segments on the current path
  std::vector<int64_t> path_rows;  // row at each depth of the current path
  const auto end_depth = [&](int64_t segment) {
    const Segment& s = tree.forest.segments[static_cast<size_t>(segment)];
    return s.first_position + s.num_rows;
  };
  for (Branch& branch : branches) {
    const auto depth = static_cast<int64_t>(branch.inputs.size());
    if (depth > branch.shared) {
      while (!open.empty() && end_depth(open.back()) > branch.shared) open.pop_back();
      int64_t start = branch.shared;
      branch.cuts.push_back(depth);
      for (const int64_t cut : branch.cuts) {
        tree.forest.segments.push_back({.first_row = static_cast<int64_t>(tree.forest.ids.size()),
                                        .num_rows = cut - start,
                                        .first_position = start,
                                        .parent = open.empty() ? -1 : open.back()});
        open.push_back(static_cast<int64_t>(tree.forest.segments.size()) - 1);
        path_rows.resize(static_cast<size_t>(start));
        for (int64_t d = start; d < cut; ++d) {
          path_rows.push_back(static_cast<int64_t>(tree.forest.ids.size()));
          tree.forest.ids.push_back(branch.inputs[static_cast<size_t>(d)]);
        }
        start = cut;
      }
      tree.longest_path = std::max(tree.longest_path, depth);
    }
    const ScoreRequest& request = requests[branch.request];
    for (size_t d = request.context_ids.size() - 1; d < num_inputs(request); ++d) {
      tree.questions.push_back({.row = path_rows[d],
                                .token = token_at(request, d + 1),
                                .request = static_cast<int64_t>(branch.request)});
    }
  }
  std::ranges::stable_sort(tree.questions, {}, &TreeQuestion::row);
  return tree;
}

TokenForest slice_forest(const TokenForest& forest, int64_t first_row, int64_t last_row) {
  TokenForest slice;
  slice.ids.assign(forest.ids.begin() + first_row, forest.ids.begin() + last_row);
  const auto& all = forest.segments;
  auto first = std::ranges::upper_bound(all, first_row, {}, &Segment::first_row) - all.begin() - 1;
  for (auto i = first; i < std::ssize(all) && all[static_cast<size_t>(i)].first_row < last_row;
       ++i) {
    const Segment& s = all[static_cast<size_t>(i)];
    const int64_t start = std::max(s.first_row, first_row),
                  end = std::min(s.first_row + s.num_rows, last_row);
    const bool parent_is_inside = start == s.first_row && s.parent >= first;
    slice.segments.push_back({.first_row = start - first_row,
                              .num_rows = end - start,
                              .first_position = s.first_position + start - s.first_row,
                              .parent = parent_is_inside ? s.parent - first : -1});
  }
  return slice;
}

std::vector<int64_t> path_before(const TokenForest& forest, int64_t row) {
  const auto& all = forest.segments;
  std::vector<int64_t> rows;
  const auto add_backwards = [&](const Segment& s, int64_t end) {
    for (int64_t r = end - 1; r >= s.first_row; --r) rows.push_back(r);
  };
  auto at = std::ranges::upper_bound(all, row, {}, &Segment::first_row) - all.begin() - 1;
  add_backwards(all[static_cast<size_t>(at)], row);
  for (at = all[static_cast<size_t>(at)].parent; at >= 0;
       at = all[static_cast<size_t>(at)].parent) {
    const Segment& s = all[static_cast<size_t>(at)];
    add_backwards(s, s.first_row + s.num_rows);
  }
  std::ranges::reverse(rows);
  return rows;
}

}  // namespace assay
