#pragma once
// Base and variant answered the same items: their answers side by side.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "metrics/outcome.h"

namespace assay {

// One item with what one run made of it.
struct AnsweredItem {
  std::string id;
  std::string cluster;
  std::vector<std::string> groups;
  std::string context;                      // shown beside flips
  std::vector<std::string> choices;         // empty where the task has none
  int target = -1;                          // index of the right choice, -1 when there is none
  std::vector<Contribution> contributions;  // one per outcome of the task
  std::optional<int> prediction;            // index of the chosen option
  std::vector<double> log_likelihoods;  // nats, one per choice (or window), NaN where not scored
};

// For each item of the base, the index of the same item in the variant. Error(kBadInput) naming the
// first id that is missing in one arm or occurs twice, or that lies in another cluster or has
// another number of outcomes.
std::vector<size_t> align(std::span<const AnsweredItem> base,
                          std::span<const AnsweredItem> variant);

struct UnscoredCounts {
  int64_t base = 0;
  int64_t variant = 0;
  int64_t either = 0;  // pairs left out: never counted as 0
  std::map<std::pair<std::string, std::string>, int64_t> reasons;  // {"base" | "variant", reason}
};

// The pairs of one outcome that both arms scored.
struct OutcomePairs {
  std::vector<size_t> base_item;     // index into the base's items
  std::vector<size_t> variant_item;  // and into the variant's
  std::vector<int32_t> cluster;      // 0, 1, ... in order of first appearance
  int64_t num_clusters = 0;
  int64_t num_components = 0;
  std::vector<double> base;     // [pairs, num_components]
  std::vector<double> variant;  // [pairs, num_components]
  UnscoredCounts unscored;

  size_t size() const { return base_item.size(); }
};

// The outcome at `index` of every item that the outcome is about. Error(kBadInput) naming the item
// when a contribution has not num_components finite numbers, or the outcome is about the item in
// one arm only.
OutcomePairs pair_outcome(std::span<const AnsweredItem> base, std::span<const AnsweredItem> variant,
                          std::span<const size_t> alignment, const Outcome& outcome, size_t index);

// The pairs whose item belongs to `group`. Of an outcome between groups the first component has the
// other sign where the group is not the item's first.
OutcomePairs pairs_of_group(const OutcomePairs& pairs, std::span<const AnsweredItem> base,
                            const std::string& group, const Outcome& outcome);

}  // namespace assay
