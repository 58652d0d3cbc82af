#pragma once
// A policy that a user declares (gate.yaml): which outcomes decide whether a variant may ship, and
// by how much each may lose.
//
//   policy: release                      # its name
//   outcomes:                            # these decide; all others are exploratory
//     - {task: bbq/religion, outcome: acc_disamb}
//     - {task: perplexity/wikitext2, outcome: perplexity, margin: 1.05, reason: "our users' text"}

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compare/policy.h"

namespace assay {

struct PolicyFileRow {
  std::string task, outcome;
  std::optional<double> margin;  // nothing: the task's own
  std::string reason;            // of a margin that is not the task's own
};

struct PolicyFile {
  std::string name;
  std::vector<PolicyFileRow> rows;
};

// Error(kBadInput) names the key or row: a key that is not known, no outcome, one that is named
// twice, a margin without a reason.
PolicyFile parse_policy(std::string_view yaml, std::string_view where);

// Over these tasks: the named outcomes are primary, all others exploratory. Error(kBadInput) names
// the row: a task or outcome that is not there (with the nearest), a margin out of range, two
// primary outcomes of one dimension.
Policy policy_of(const PolicyFile& file, std::span<const TaskOutcomes> tasks);

// Where the two, as to_json has them, judge an outcome that both know by another margin, or one by
// it and the other not; empty where they do not. For a study that goes on under a policy that is
// not the one declared before its first item.
std::string policy_change(const Json& declared, const Json& now);

}  // namespace assay
