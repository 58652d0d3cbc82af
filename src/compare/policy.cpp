#include "compare/policy.h"

#include <fmt/format.h>

#include <set>

#include "base/error.h"
#include "base/hash.h"

namespace assay {
namespace {

// The margins that need no reason of their own (docs/comparison.md).
constexpr double kDefaultDifference = 0.05;
constexpr double kDefaultRatio = 1.10;

std::string margin_reason(const Outcome& outcome) {
  if (outcome.scale == Scale::kRatio) {
    return outcome.margin == kDefaultRatio
               ? "default margin: a ratio of 1.10"
               : fmt::format("the task's own margin: a ratio of {:g}", outcome.margin);
  }
  if (outcome.margin != kDefaultDifference) {
    return fmt::format("the task's own margin: {:g}", outcome.margin);
  }
  return outcome.direction == Direction::kTowardsZero
             ? "default margin: 0.05 of a signed bias score, on both sides"
             : "default margin: 5 points";
}

}  // namespace

std::string_view to_string(Direction direction) {
  switch (direction) {
    case Direction::kHigherIsBetter:
      return "higher is better";
    case Direction::kLowerIsBetter:
      return "lower is better";
    case Direction::kTowardsZero:
      return "towards zero";
  }
  return "";
}

std::string_view to_string(Scale scale) { return scale == Scale::kRatio ? "ratio" : "difference"; }

Policy default_policy(std::span<const TaskOutcomes> tasks) {
  Policy policy;
  policy.name = "default";
  std::set<std::string_view> decided;
  for (const TaskOutcomes& task : tasks) {
    for (const Outcome& outcome : task.outcomes) {
      require(outcome.scale == Scale::kRatio ? outcome.margin > 1 : outcome.margin > 0, task.task,
              ": ", outcome.name, " has no valid margin: ", outcome.margin);
      const bool primary = outcome.primary && decided.insert(outcome.dimension).second;
      policy.outcomes.push_back({task.task, outcome, primary, margin_reason(outcome)});
    }
  }
  return policy;
}

Json to_json(const Policy& policy) {
  Json rows = Json::array();
  for (const PolicyOutcome& row : policy.outcomes) {
    rows.push_back({{"task", row.task},
                    {"outcome", row.outcome.name},
                    {"dimension", row.outcome.dimension},
                    {"direction", to_string(row.outcome.direction)},
                    {"scale", to_string(row.outcome.scale)},
                    {"margin", row.outcome.margin},
                    {"chance", row.outcome.chance ? Json(*row.outcome.chance) : Json()},
                    {"primary", row.primary},
                    {"reason", row.reason}});
  }
  return rows;
}

std::string policy_hash(const Policy& policy) {
  return "sha256:" + sha256_hex(policy.name + "\n" + to_json(policy).dump());
}

}  // namespace assay
