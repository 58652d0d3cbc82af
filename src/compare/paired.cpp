#include "compare/paired.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/error.h"

namespace assay {
namespace {

// Gives clusters their numbers in order of first appearance.
class ClusterNumbers {
 public:
  int32_t of(const std::string& name) {
    return numbers_.try_emplace(name, static_cast<int32_t>(numbers_.size())).first->second;
  }
  int64_t count() const { return static_cast<int64_t>(numbers_.size()); }

 private:
  std::unordered_map<std::string, int32_t> numbers_;
};

std::unordered_map<std::string, size_t> index_by_id(std::span<const AnsweredItem> items,
                                                    const char* arm) {
  std::unordered_map<std::string, size_t> index;
  for (size_t i = 0; i < items.size(); ++i) {
    require(index.try_emplace(items[i].id, i).second, arm, ": item '", items[i].id,
            "' occurs twice");
  }
  return index;
}

const std::vector<double>* components_of(const Contribution& contribution, const Outcome& outcome,
                                         const AnsweredItem& item) {
  const auto* values = std::get_if<std::vector<double>>(&contribution);
  if (values == nullptr || values->empty()) return values;
  require(values->size() == static_cast<size_t>(outcome.num_components), "item '", item.id,
          "': ", outcome.name, " needs ", outcome.num_components, " numbers, got ", values->size());
  for (const double value : *values) {
    require(std::isfinite(value), "item '", item.id, "': ", outcome.name, " is not finite");
  }
  return values;
}

void count_unscored(const Contribution& contribution, const char* arm, int64_t& count,
                    UnscoredCounts& counts) {
  if (const auto* unscored = std::get_if<Unscored>(&contribution)) {
    ++count;
    ++counts.reasons[{arm, unscored->reason}];
  }
}

}  // namespace

std::vector<size_t> align(std::span<const AnsweredItem> base,
                          std::span<const AnsweredItem> variant) {
  const auto in_base = index_by_id(base, "base");
  const auto in_variant = index_by_id(variant, "variant");
  for (const AnsweredItem& item : variant) {
    require(in_base.contains(item.id), "item '", item.id, "' is missing in the base");
  }
  std::vector<size_t> alignment;
  for (const AnsweredItem& item : base) {
    const auto found = in_variant.find(item.id);
    require(found != in_variant.end(), "item '", item.id, "' is missing in the variant");
    const AnsweredItem& other = variant[found->second];
    require(other.cluster == item.cluster, "item '", item.id, "' lies in cluster '", item.cluster,
            "' of the base but '", other.cluster, "' of the variant");
    require(other.contributions.size() == item.contributions.size(), "item '", item.id, "' has ",
            item.contributions.size(), " outcomes in the base but ", other.contributions.size(),
            " in the variant");
    alignment.push_back(found->second);
  }
  return alignment;
}

OutcomePairs pair_outcome(std::span<const AnsweredItem> base, std::span<const AnsweredItem> variant,
                          std::span<const size_t> alignment, const Outcome& outcome, size_t index) {
  require(alignment.size() == base.size(), "pair_outcome: the alignment is of other items");
  OutcomePairs pairs;
  pairs.num_components = outcome.num_components;
  ClusterNumbers clusters;
  for (size_t i = 0; i < base.size(); ++i) {
    const AnsweredItem& one = base[i];
    const AnsweredItem& other = variant[alignment[i]];
    require(index < one.contributions.size(), "item '", one.id, "' has no outcome ", outcome.name);
    const auto* b = components_of(one.contributions[index], outcome, one);
    const auto* v = components_of(other.contributions[index], outcome, other);
    if (b == nullptr || v == nullptr) {
      count_unscored(one.contributions[index], "base", pairs.unscored.base, pairs.unscored);
      count_unscored(other.contributions[index], "variant", pairs.unscored.variant, pairs.unscored);
      ++pairs.unscored.either;
      continue;
    }
    require(b->empty() == v->empty(), "item '", one.id, "': ", outcome.name,
            " is about it in one arm only");
    if (b->empty()) continue;
    pairs.base_item.push_back(i);
    pairs.variant_item.push_back(alignment[i]);
    pairs.cluster.push_back(clusters.of(one.cluster));
    pairs.base.insert(pairs.base.end(), b->begin(), b->end());
    pairs.variant.insert(pairs.variant.end(), v->begin(), v->end());
  }
  pairs.num_clusters = clusters.count();
  return pairs;
}

OutcomePairs pairs_of_group(const OutcomePairs& pairs, std::span<const AnsweredItem> base,
                            const std::string& group, const Outcome& outcome) {
  OutcomePairs subset;
  subset.num_components = pairs.num_components;
  ClusterNumbers clusters;
  const auto k = static_cast<size_t>(pairs.num_components);
  for (size_t i = 0; i < pairs.size(); ++i) {
    const AnsweredItem& item = base[pairs.base_item[i]];
    if (std::ranges::find(item.groups, group) == item.groups.end()) continue;
    subset.base_item.push_back(pairs.base_item[i]);
    subset.variant_item.push_back(pairs.variant_item[i]);
    subset.cluster.push_back(clusters.of(item.cluster));
    const auto from = static_cast<std::ptrdiff_t>(i * k);
    const auto to = static_cast<std::ptrdiff_t>((i + 1) * k);
    subset.base.insert(subset.base.end(), pairs.base.begin() + from, pairs.base.begin() + to);
    subset.variant.insert(subset.variant.end(), pairs.variant.begin() + from,
                          pairs.variant.begin() + to);
    if (outcome.between_groups && item.groups.front() != group) {
      for (auto* arm : {&subset.base, &subset.variant}) (*arm)[arm->size() - k] *= -1;
    }
  }
  subset.num_clusters = clusters.count();
  return subset;
}

}  // namespace assay
