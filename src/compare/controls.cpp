#include "compare/controls.h"

#include <fmt/format.h>

#include <algorithm>

#include "compare/flips.h"

namespace assay {

std::optional<std::string> floor_problem(const Outcome& outcome, const Inference& inference) {
  if (!outcome.chance || outcome.direction == Direction::kTowardsZero ||
      outcome.scale == Scale::kRatio) {
    return std::nullopt;
  }
  const double chance = *outcome.chance;
  if (outcome.direction == Direction::kHigherIsBetter) {
    if (inference.base.low > chance + outcome.margin) return std::nullopt;
    return fmt::format(
        "the base ({:.3f}, at least {:.3f}) is not above its floor {:.3f} by the margin {:.3f}",
        inference.base.value, inference.base.low, chance, outcome.margin);
  }
  if (inference.base.high < chance - outcome.margin) return std::nullopt;
  return fmt::format(
      "the base ({:.3f}, at most {:.3f}) is not below its floor {:.3f} by the margin {:.3f}",
      inference.base.value, inference.base.high, chance, outcome.margin);
}

NegativeControl check_unchanged(std::string_view task, std::span<const AnsweredItem> base,
                                std::span<const AnsweredItem> variant,
                                std::span<const size_t> alignment) {
  NegativeControl result;
  int64_t moved = 0;
  int64_t unexplained = 0;
  for (size_t i = 0; i < base.size(); ++i) {
    const AnsweredItem& one = base[i];
    const AnsweredItem& other = variant[alignment[i]];
    const double shift = largest_shift(one, other);
    result.max_delta_log_likelihood = std::max(result.max_delta_log_likelihood, shift);
    moved += shift > kUnchangedLogLikelihood;
    if (one.prediction == other.prediction) continue;
    ++result.num_flips;
    unexplained += choice_margin(one) >= kUnchangedLogLikelihood;
  }
  if (moved > 0) {
    result.reasons.push_back(fmt::format(
        "{}: a log-likelihood of {} items moved by more than {:g} nats (at most {:.3g})", task,
        moved, kUnchangedLogLikelihood, result.max_delta_log_likelihood));
  }
  if (unexplained > 0) {
    result.reasons.push_back(fmt::format(
        "{}: {} predictions changed where the base was not on the fence", task, unexplained));
  }
  return result;
}

}  // namespace assay
