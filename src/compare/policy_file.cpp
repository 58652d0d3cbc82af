#include "compare/policy_file.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "base/error.h"
#include "base/yaml.h"

namespace assay {
namespace {

using namespace std::string_view_literals;

constexpr std::array kKeys{"policy"sv, "outcomes"sv};
constexpr std::array kRowKeys{"task"sv, "outcome"sv, "margin"sv, "reason"sv};

std::string name_of(const PolicyFileRow& row) { return row.task + " " + row.outcome; }

PolicyFileRow row_from(const Json& json, const std::string& where) {
  require_known_keys(json, kRowKeys, where);
  PolicyFileRow row;
  row.task = json_get<std::string>(json, "task", where);
  row.outcome = json_get<std::string>(json, "outcome", where);
  row.reason = json_get_or<std::string>(json, "reason", "", where);
  if (json.contains("margin")) row.margin = json_get<double>(json, "margin", where);
  require(!row.margin || !row.reason.empty(), where, ": a margin of its own needs a 'reason'");
  return row;
}

// The row of the policy that a file's row names.
PolicyOutcome& named_row(const PolicyFileRow& row, Policy& policy) {
  std::vector<std::string_view> tasks, outcomes;
  for (PolicyOutcome& known : policy.outcomes) {
    if (known.task == row.task && known.outcome.name == row.outcome) return known;
    if (std::ranges::find(tasks, known.task) == tasks.end()) tasks.emplace_back(known.task);
    if (known.task == row.task) outcomes.emplace_back(known.outcome.name);
  }
  require(!outcomes.empty(), "no task '", row.task, "' was asked", suggest(row.task, tasks));
  fail(ErrorKind::kBadInput, "task '", row.task, "' has no outcome '", row.outcome, "'",
       suggest(row.outcome, outcomes));
}

void set_margin(const PolicyFileRow& row, PolicyOutcome& target) {
  if (!row.margin) return;
  const bool is_ratio = target.outcome.scale == Scale::kRatio;
  require(std::isfinite(*row.margin) && *row.margin > (is_ratio ? 1 : 0), name_of(row),
          ": the margin must be above ", is_ratio ? "1, a ratio" : "0", ", got ", *row.margin);
  target.outcome.margin = *row.margin;
  target.reason = row.reason;
}

}  // namespace

PolicyFile parse_policy(std::string_view yaml, std::string_view where) {
  const Json root = parse_yaml(yaml, where);
  require_known_keys(root, kKeys, where);
  PolicyFile file;
  file.name = json_get<std::string>(root, "policy", where);
  const Json rows = json_get<Json>(root, "outcomes", where);
  require(rows.is_array() && !rows.empty(), where,
          ": 'outcomes' must be a list with at least one {task: ..., outcome: ...}");
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::string here = std::string(where) + ": outcome " + std::to_string(i + 1);
    file.rows.push_back(row_from(rows[i], here));
    const auto same = std::ranges::count(file.rows, name_of(file.rows.back()), name_of);
    require(same == 1, here, ": ", name_of(file.rows.back()), " is there twice");
  }
  return file;
}

Policy policy_of(const PolicyFile& file, std::span<const TaskOutcomes> tasks) {
  Policy policy = default_policy(tasks);
  policy.name = file.name;
  for (PolicyOutcome& row : policy.outcomes) row.primary = false;
  std::map<std::string_view, std::string> decided_by;  // dimension
  for (const PolicyFileRow& row : file.rows) {
    in_context("policy " + file.name, [&] {
      PolicyOutcome& target = named_row(row, policy);
      const auto [first, is_new] = decided_by.emplace(target.outcome.dimension, name_of(row));
      require(is_new, name_of(row), " and ", first->second, " both decide the dimension '",
              target.outcome.dimension, "': one outcome decides a dimension");
      target.primary = true;
      set_margin(row, target);
    });
  }
  return policy;
}

std::string policy_change(const Json& declared, const Json& now) {
  for (const Json& before : declared) {
    for (const Json& row : now) {
      if (row["task"] != before["task"] || row["outcome"] != before["outcome"]) continue;
      for (const char* key : {"margin", "primary"}) {
        if (row[key] == before[key]) continue;
        return row["task"].get<std::string>() + " " + row["outcome"].get<std::string>() + ": " +
               key + " was " + before[key].dump() + ", is " + row[key].dump();
      }
    }
  }
  return "";
}

}  // namespace assay
