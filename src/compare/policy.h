#pragma once
// Which outcomes decide, and by how much each may lose: fixed, and hashed, before the first item is
// asked.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "metrics/outcome.h"

namespace assay {

std::string_view to_string(Direction direction);  // "higher is better"
std::string_view to_string(Scale scale);          // "difference"

// A task of a study and what it reports.
struct TaskOutcomes {
  std::string task;  // as the study writes it: "bbq/religion"
  std::span<const Outcome> outcomes;
};

struct PolicyOutcome {
  std::string task;
  Outcome outcome;       // with the margin that applies
  bool primary = false;  // decides for its dimension
  std::string reason;    // where the margin comes from
};

struct Policy {
  std::string name;
  std::vector<PolicyOutcome> outcomes;  // tasks in the study's order, outcomes in the task's
};

// The built-in policy: margins as the tasks give them, and for each dimension one primary outcome,
// the first that a task of the study offers as primary.
Policy default_policy(std::span<const TaskOutcomes> tasks);

// [{"task", "outcome", "dimension", "direction", "scale", "margin", "chance", "primary", "reason"},
// ...]
Json to_json(const Policy& policy);

// "sha256:..." over name and outcomes.
std::string policy_hash(const Policy& policy);

}  // namespace assay
