#include "compare/flips.h"

#include <algorithm>
#include <cmath>

namespace assay {
namespace {

bool is_right(const AnsweredItem& item) { return *item.prediction == item.target; }

size_t num_shared(const AnsweredItem& base, const AnsweredItem& variant) {
  return std::min(base.log_likelihoods.size(), variant.log_likelihoods.size());
}

double swing_of(const AnsweredItem& base, const AnsweredItem& variant) {
  const auto from = static_cast<size_t>(*base.prediction);
  const auto to = static_cast<size_t>(*variant.prediction);
  if (std::max(from, to) >= num_shared(base, variant)) return 0;
  const double swing = (variant.log_likelihoods[to] - base.log_likelihoods[to]) -
                       (variant.log_likelihoods[from] - base.log_likelihoods[from]);
  return std::isfinite(swing) ? swing : 0;
}

}  // namespace

std::optional<Flips> count_flips(const OutcomePairs& pairs, std::span<const AnsweredItem> base,
                                 std::span<const AnsweredItem> variant) {
  Flips flips;
  bool any = false;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const AnsweredItem& one = base[pairs.base_item[i]];
    const AnsweredItem& other = variant[pairs.variant_item[i]];
    if (!one.prediction || !other.prediction) continue;
    any = true;
    flips.changed_predictions += *one.prediction != *other.prediction;
    if (one.target < 0) continue;
    const bool was_right = is_right(one);
    const bool is_now = is_right(other);
    ++(was_right ? (is_now ? flips.both_right : flips.base_only)
                 : (is_now ? flips.variant_only : flips.both_wrong));
  }
  return any ? std::optional(flips) : std::nullopt;
}

std::optional<LogLikelihoodShift> log_likelihood_shift(const OutcomePairs& pairs,
                                                       std::span<const AnsweredItem> base,
                                                       std::span<const AnsweredItem> variant) {
  LogLikelihoodShift shift;
  int64_t count = 0;
  const auto add = [&](double a, double b) {
    const double moved = std::abs(a - b);
    if (!std::isfinite(moved)) return;
    shift.mean += moved;
    shift.max = std::max(shift.max, moved);
    ++count;
  };
  for (size_t i = 0; i < pairs.size(); ++i) {
    const AnsweredItem& one = base[pairs.base_item[i]];
    const AnsweredItem& other = variant[pairs.variant_item[i]];
    const size_t shared = num_shared(one, other);
    if (one.target >= 0 && static_cast<size_t>(one.target) < shared) {
      const auto target = static_cast<size_t>(one.target);
      add(one.log_likelihoods[target], other.log_likelihoods[target]);
      shift.of_target = true;
    } else {
      for (size_t j = 0; j < shared; ++j) add(one.log_likelihoods[j], other.log_likelihoods[j]);
    }
  }
  if (count == 0) return std::nullopt;
  shift.mean /= static_cast<double>(count);
  return shift;
}

double largest_shift(const AnsweredItem& base, const AnsweredItem& variant) {
  double largest = 0;
  for (size_t j = 0; j < num_shared(base, variant); ++j) {
    const double moved = std::abs(base.log_likelihoods[j] - variant.log_likelihoods[j]);
    if (std::isnan(moved)) {  // unchanged when neither arm scored this answer
      const bool both =
          std::isnan(base.log_likelihoods[j]) && std::isnan(variant.log_likelihoods[j]);
      if (!both) return INFINITY;
      continue;
    }
    largest = std::max(largest, moved);
  }
  return largest;
}

double choice_margin(const AnsweredItem& item) {
  std::vector<double> sorted;
  for (const double value : item.log_likelihoods) {
    if (std::isfinite(value)) sorted.push_back(value);
  }
  if (sorted.size() < 2) return INFINITY;
  std::partial_sort(sorted.begin(), sorted.begin() + 2, sorted.end(), std::greater<>());
  return sorted[0] - sorted[1];
}

std::vector<FlippedItem> flipped_items(std::span<const AnsweredItem> base,
                                       std::span<const AnsweredItem> variant,
                                       std::span<const size_t> alignment) {
  std::vector<FlippedItem> result;
  for (size_t i = 0; i < base.size(); ++i) {
    const AnsweredItem& one = base[i];
    const AnsweredItem& other = variant[alignment[i]];
    if (!one.prediction || !other.prediction) continue;
    const bool flipped =
        one.target >= 0 ? is_right(one) != is_right(other) : *one.prediction != *other.prediction;
    if (flipped) result.push_back({i, alignment[i], swing_of(one, other)});
  }
  std::stable_sort(result.begin(), result.end(),
                   [](const FlippedItem& a, const FlippedItem& b) { return a.swing > b.swing; });
  return result;
}

}  // namespace assay
