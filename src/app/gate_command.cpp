// assay gate RESULTS: may the variants of a finished study ship?

#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/commands.h"
#include "base/error.h"
#include "base/file.h"
#include "compare/policy_file.h"
#include "report/gate.h"
#include "report/report.h"
#include "run/compare_runs.h"

namespace assay::app {
namespace {

namespace fs = std::filesystem;

constexpr int kFailed = 1, kUndecided = 2;

struct GateArguments {
  fs::path results, policy, junit, markdown;
  std::vector<std::string> variants;
};

Control control_of(const Json& variant) {
  const Json control = json_get<Json>(variant, "control", "summary: variants");
  if (control == "positive") return Control::kPositive;
  return control == "negative" ? Control::kNegative : Control::kNone;
}

// The study's answers, judged again under another policy. The study's seed draws the same numbers.
Json judged_again(const GateArguments& arguments, const Json& summary, const PolicyFile& policy) {
  const fs::path folder =
      fs::is_directory(arguments.results) ? arguments.results : arguments.results.parent_path();
  const RecordedRun base = read_recorded_run(folder / "base");
  std::vector<ComparedRun> runs;
  for (const Json& variant : summary.at("variants")) {
    const auto name = variant.at("name").get<std::string>();
    runs.push_back({read_recorded_run(folder / name), control_of(variant)});
  }
  Json again = compare_runs(base, runs, json_get<uint64_t>(summary, "seed", "summary"), &policy);
  again["study"] = summary.at("study");
  return again;
}

// The summary under the policy that counts, and a note where that is not the one that the study
// declared before its first item.
struct Judged {
  Json summary;
  std::string note;
};

Judged judged(const GateArguments& arguments) {
  Json summary = report::read_summary(arguments.results);
  report::view_of_summary(summary);  // checks it
  if (arguments.policy.empty()) return {std::move(summary), ""};
  const PolicyFile policy = parse_policy(read_file(arguments.policy), arguments.policy.string());
  Json again = judged_again(arguments, summary, policy);
  const Json &declared = summary["policy"]["hash"], &used = again["policy"]["hash"];
  if (declared == used) return {std::move(again), ""};
  return {std::move(again), "the study declared another policy before its first item: " +
                                declared.get<std::string>() + "; this one is " +
                                used.get<std::string>()};
}

void write_where_asked(const fs::path& path, const std::string& text) {
  if (!path.empty()) write_file_atomic(path, text);
}

void run(const GateArguments& arguments) {
  const Judged judgement = judged(arguments);
  const report::View view = report::view_of_summary(judgement.summary);
  const report::Gate gate = report::gate(view, arguments.variants);
  write_where_asked(arguments.junit, report::gate_junit(view, gate));
  std::string markdown = report::gate_markdown(view, gate);
  if (!judgement.note.empty()) markdown += "\nNote: " + judgement.note + "\n";
  write_where_asked(arguments.markdown, markdown);
  std::cout << report::gate_text(gate);
  if (!judgement.note.empty()) std::cout << "note: " << judgement.note << '\n';
  std::cout << "gate: " << report::to_string(gate.answer) << '\n';
  if (gate.answer == report::GateAnswer::kFail) throw CLI::RuntimeError(kFailed);
  if (gate.answer == report::GateAnswer::kUndecided) throw CLI::RuntimeError(kUndecided);
}

}  // namespace

void add_gate_command(CLI::App& program) {
  auto* command = program.add_subcommand(
      "gate", "may the variants ship? An exit code, JUnit and Markdown for CI");
  const auto a = std::make_shared<GateArguments>();
  command->footer(
      "Exit code 0: every primary outcome of every variant is non-inferior. 1: one is worse. 2: "
      "one\n"
      "is not decided, or the input is bad. Controls are not judged.\n"
      "\n"
      "  assay gate results/demo --junit gate.xml --markdown gate.md\n"
      "  assay gate results/demo --policy gate.yaml\n"
      "\n"
      "A policy names the outcomes that decide, and margins of their own with a reason:\n"
      "\n"
      "  policy: release\n"
      "  outcomes:\n"
      "    - {task: stereoqa, outcome: acc}\n"
      "    - {task: perplexity/wikitext2, outcome: perplexity, margin: 1.05, reason: \"our "
      "text\"}\n"
      "\n"
      "Named in the study file (policy: gate.yaml) it is hashed before the first item is asked; "
      "with\n"
      "--policy the finished answers are judged again, and the gate says that it was chosen "
      "later.");
  command->add_option("RESULTS", a->results, "a study's results folder, or its summary.json")
      ->required();
  command->add_option("--policy", a->policy, "gate.yaml: judge the answers under this policy");
  command->add_option("--variant", a->variants, "judge this variant (repeat for more), not all");
  command->add_option("--junit", a->junit, "write the answer as JUnit's XML");
  command->add_option("--markdown", a->markdown, "write the answer for a pull request");
  command->callback([a] { run(*a); });
}

}  // namespace assay::app
