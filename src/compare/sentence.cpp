#include "compare/sentence.h"

#include <fmt/format.h>

#include <cmath>

namespace assay {
namespace {

// "fell from 0.620 to 0.550, by 0.070 [0.037, 0.103]"
std::string change(const PolicyOutcome& row, const Inference& inference) {
  const double before = inference.base.value;
  const double after = inference.variant.value;
  const char* verb = after > before ? "rose" : after < before ? "fell" : "stayed";
  std::string text = fmt::format("{} {} {} from {:.3f} to {:.3f}", row.task, row.outcome.name, verb,
                                 before, after);
  if (inference.ratio) {
    const auto& r = *inference.ratio;
    text += fmt::format(", a ratio of {:.3f}", r.value);
    if (!std::isnan(r.low)) text += fmt::format(" [{:.3f}, {:.3f}]", r.low, r.high);
    return text;
  }
  const bool lower = row.outcome.direction == Direction::kLowerIsBetter;
  const auto& d = inference.difference;
  text += fmt::format(", by {:+.3f}", after - before);
  if (!std::isnan(d.low)) {
    text += fmt::format(" [{:+.3f}, {:+.3f}]", lower ? -d.high : d.low, lower ? -d.low : d.high);
  }
  return text;
}

}  // namespace

std::string verdict_sentence(const std::string& variant, const PolicyOutcome& row,
                             const Result& result) {
  const Inference& inference = result.inference;
  std::string text =
      fmt::format("{}, {}: {}", variant, row.outcome.dimension, to_string(result.decision.verdict));
  if (!result.decision.reason.empty()) text += fmt::format(" ({})", result.decision.reason);
  text += ". ";
  if (!std::isnan(inference.base.value) && !std::isnan(inference.variant.value)) {
    text += change(row, inference) + "; ";
  }
  const bool ratio = row.outcome.scale == Scale::kRatio;
  text += fmt::format("margin {}{:g}, ", ratio ? "a ratio of " : "", row.outcome.margin);
  if (std::isnan(inference.mde)) return text + "minimum detectable effect unknown.";
  return text + fmt::format("minimum detectable effect {}{:.3f}.", ratio ? "a ratio of " : "",
                            ratio ? std::exp(inference.mde) : inference.mde);
}

}  // namespace assay
