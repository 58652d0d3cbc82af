#pragma once
// Could the instrument have seen it? The floor of the base, the positive control, the negative
// control.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compare/inference.h"
#include "compare/paired.h"
#include "metrics/outcome.h"

namespace assay {

// Why the base is too near its floor for a loss of the margin to show; nothing when it is not, or
// there is no floor. With a floor c and margin m: the low end of the base's interval must exceed c
// + m (lower is better: the high end must lie below c - m).
std::optional<std::string> floor_problem(const Outcome& outcome, const Inference& inference);

// A function-preserving change may move a log-likelihood by rounding only, in float32.
inline constexpr double kUnchangedLogLikelihood = 1e-3;  // nats per item

struct NegativeControl {
  double max_delta_log_likelihood = 0;  // over all answers of all items
  int64_t num_flips = 0;                // changed predictions
  std::vector<std::string> reasons;     // what changed that must not have; empty: unchanged
};

// The items of one task: per answer |change| <= kUnchangedLogLikelihood, and predictions changed
// only where the base's own margin between its two best answers is below that.
NegativeControl check_unchanged(std::string_view task, std::span<const AnsweredItem> base,
                                std::span<const AnsweredItem> variant,
                                std::span<const size_t> alignment);

}  // namespace assay
