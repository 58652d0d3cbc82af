#include "compare/verdict.h"

#include <fmt/format.h>

#include <cmath>

#include "compare/difference.h"
#include "stats/power.h"

namespace assay {
namespace {

Decision decide_signed(const Inference& inference, double margin) {
  const auto& d = inference.difference;
  if (equivalent({d.low, d.high}, margin)) {
    return {Verdict::kNonInferior, "the change of the bias lies inside the margin on both sides"};
  }
  if (d.low <= 0 && d.high >= 0) {
    return {Verdict::kUndecidable, "the change of the bias may exceed the margin and may be none"};
  }
  const double before = inference.base.value;
  const auto& after = inference.variant;
  const bool other_side = before > 0 ? after.high < 0 : after.low > 0;
  if (std::abs(after.value) <= std::abs(before) && !other_side) {
    return {Verdict::kUndecidable,
            "the bias moved towards zero: no harm shown, no equivalence either"};
  }
  if (d.low > margin || d.high < -margin) {
    return {Verdict::kMuchWorse, "the bias grew or changed sides by more than the margin"};
  }
  return {Verdict::kWorse, "the bias grew or changed sides"};
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kNotInterpretable:
      return "not interpretable";
    case Verdict::kUndecidable:
      return "undecidable";
    case Verdict::kNonInferior:
      return "non-inferior";
    case Verdict::kWorse:
      return "worse";
    case Verdict::kMuchWorse:
      return "much worse";
  }
  return "";
}

Decision decide_by_interval(const Outcome& outcome, const Inference& inference) {
  const auto& d = inference.difference;
  if (!inference.problem.empty()) return {Verdict::kUndecidable, inference.problem};
  if (std::isnan(d.low) || std::isnan(d.high)) return {Verdict::kUndecidable, "no interval"};
  if (is_mean_difference(outcome) && inference.effective_n < kMinEffectiveItems) {
    return {Verdict::kUndecidable,
            fmt::format("{:.1f} effective items, fewer than 20", inference.effective_n)};
  }
  const double margin = margin_of(outcome);
  if (outcome.direction == Direction::kTowardsZero) return decide_signed(inference, margin);
  if (non_inferior({d.low, d.high}, margin)) {
    return {Verdict::kNonInferior, d.high < 0 ? "smaller, within the margin" : "within the margin"};
  }
  if (d.high < -margin) return {Verdict::kMuchWorse, "the whole interval lies beyond the margin"};
  if (d.high < 0) return {Verdict::kWorse, "the interval lies below 0 and reaches the margin"};
  return {Verdict::kUndecidable, "the interval reaches from harm beyond the margin to no harm"};
}

Decision decide(const Outcome& outcome, const Inference& inference,
                const std::optional<std::string>& not_interpretable,
                const std::optional<std::string>& insensitive) {
  if (not_interpretable) return {Verdict::kNotInterpretable, *not_interpretable};
  if (insensitive) return {Verdict::kUndecidable, *insensitive};
  return decide_by_interval(outcome, inference);
}

bool shows_harm(const Outcome& outcome, const Inference& inference) {
  const auto& d = inference.difference;
  return d.high < 0 || (outcome.direction == Direction::kTowardsZero && d.low > 0);
}

}  // namespace assay
