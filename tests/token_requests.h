#pragma once
// Every token of a text as a question of its own.

#include <cstdint>
#include <vector>

#include "infer/score.h"

namespace assay {

// One request a token behind the first: they share their prefixes, so every way through the tree
// is taken.
inline std::vector<ScoreRequest> request_of_each_token(const std::vector<int32_t>& ids) {
  std::vector<ScoreRequest> requests;
  for (size_t i = 1; i < ids.size(); ++i) {
    const auto here = ids.begin() + static_cast<std::ptrdiff_t>(i);
    requests.push_back({.context_ids = {ids.begin(), here}, .continuation_ids = {*here}});
  }
  return requests;
}

}  // namespace assay
