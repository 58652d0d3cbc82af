#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/terminal.h"
#include "base/error.h"
#include "base/file.h"
#include "report/report.h"
#include "report/terminal.h"
#include "run/compare_runs.h"

namespace assay::app {
namespace {

namespace fs = std::filesystem;

struct CompareArguments {
  fs::path base;
  std::vector<fs::path> runs, positive, negative;
  fs::path output, policy;
  uint64_t seed = 0;
};

void compare(const CompareArguments& arguments) {
  const RecordedRun base = read_recorded_run(arguments.base);
  std::vector<ComparedRun> runs;
  const auto read = [&](const std::vector<fs::path>& paths, Control control) {
    for (const fs::path& path : paths) runs.push_back({read_recorded_run(path), control});
  };
  read(arguments.runs, Control::kNone);
  read(arguments.positive, Control::kPositive);
  read(arguments.negative, Control::kNegative);
  std::optional<PolicyFile> policy;
  if (!arguments.policy.empty()) {
    policy = parse_policy(read_file(arguments.policy), arguments.policy.string());
  }
  const Json summary = compare_runs(base, runs, arguments.seed, policy ? &*policy : nullptr);
  if (!arguments.output.empty()) {
    std::error_code error;
    fs::create_directories(arguments.output, error);
    require(!error, arguments.output.string(), ": cannot create the folder: ", error.message());
    report::write_reports(summary, arguments.output);
  }
  const report::View view = report::view_of_summary(summary);
  std::cout << report::terminal_table(view, terminal_width(), terminal_colours());
  for (const report::Sentence& sentence : view.sentences) {
    std::cout << sentence.variant << ", " << sentence.dimension << ": "
              << report::verdict_name(sentence.verdict) << ". " << sentence.text << '\n';
  }
  if (!arguments.output.empty()) {
    std::cout << "report: " << (arguments.output / "report.html").string() << '\n';
  }
}

}  // namespace

void add_compare_command(CLI::App& program) {
  auto* command = program.add_subcommand(
      "compare", "paired verdicts on finished runs: what did RUN lose against BASE?");
  const auto arguments = std::make_shared<CompareArguments>();
  command->footer(
      "A run is the folder of one arm in a study's results, such as results/demo/rtn-4bit, or the\n"
      "results_<arm>.json in it; or what lm-eval wrote for one model with --log_samples. Runs that "
      "were asked differently (prompts, token ids, data, "
      "template,\n"
      "dtype) are refused, naming the first difference. Without a positive control no verdict is "
      "given:\n"
      "a task that sees no damage in a broken model cannot pass another one.");
  command->add_option("BASE", arguments->base, "the run to compare with")->required();
  command->add_option("RUN", arguments->runs, "runs to judge")->required();
  command->add_option("--positive_control", arguments->positive,
                      "a run that is known to be damaged: can these tasks see it?");
  command->add_option("--negative_control", arguments->negative,
                      "a run that is known to compute the same function");
  command->add_option("-o,--output", arguments->output,
                      "folder for report.html, summary.json, summary.csv and summary.md");
  command->add_option("--policy", arguments->policy,
                      "gate.yaml: which outcomes decide, by which margins (see assay gate --help)");
  command->add_option("--seed", arguments->seed, "of the bootstrap; use the study's own")
      ->capture_default_str();
  command->callback([arguments] { compare(*arguments); });
}

}  // namespace assay::app
