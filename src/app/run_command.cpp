#include <iostream>
#include <memory>

#include "app/commands.h"
#include "app/memory_size.h"
#include "app/terminal.h"
#include "base/file.h"
#include "base/thread_pool.h"
#include "run/execute.h"
#include "run/plan.h"
#include "run/resources.h"

namespace assay::app {
namespace {

struct RunArguments {
  std::string study;
  std::string output;
  bool dry_run = false;
  int64_t threads = 0;
  std::string memory_limit;  // empty = none
  RunOptions options;
};

void run(const RunArguments& arguments) {
  if (arguments.threads > 0) set_num_threads(arguments.threads);
  Study study = parse_study(read_file(arguments.study), arguments.study);
  if (!arguments.output.empty()) study.output = arguments.output;
  const int64_t limit = arguments.memory_limit.empty()
                            ? 0
                            : parse_memory_size("--memory_limit", arguments.memory_limit);
  const Plan plan = make_plan(std::move(study), limit);
  const std::string text = plan_text(plan, measured_gflops());
  if (arguments.dry_run) {
    std::cout << text;
    return;
  }
  std::cerr << text;
  RunOptions options = arguments.options;
  options.colours = terminal_colours();
  options.terminal_width = terminal_width();
  run_study(plan, options, std::cout);
}

}  // namespace

void add_run_command(CLI::App& program) {
  auto* command = program.add_subcommand(
      "run", "the whole study: compress, ask, judge, compare, report; resumes by itself");
  auto arguments = std::make_shared<RunArguments>();
  command
      ->add_option("STUDY", arguments->study,
                   "study file (YAML), see docs/studying-your-own-model.md")
      ->required();
  command->add_option("-o,--output", arguments->output,
                      "folder for results, instead of the study's own");
  command->add_flag("--dry-run", arguments->dry_run,
                    "print the plan with memory, work and time, and stop");
  command->add_option("--threads", arguments->threads, "threads (default: all processors)")
      ->check(CLI::Range(1, 1024));
  command
      ->add_option("--batch_tokens", arguments->options.batch_tokens,
                   "tokens of a batch; bounds memory")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command->add_option(
      "--memory_limit", arguments->memory_limit,
      "memory that a compression stays below, as 8GiB or 6GB: hidden states and gradients that are "
      "above go to a file in the output folder (default: the machine's free memory)");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace assay::app
