#include <iostream>
#include <memory>

#include "app/commands.h"
#include "app/terminal.h"
#include "base/file.h"
#include "report/page.h"
#include "report/report.h"

namespace assay::app {
namespace {

struct ReportOptions {
  std::filesystem::path results, output;
};

void write_report(const ReportOptions& options) {
  const report::View view = report::view_of_summary(report::read_summary(options.results));
  const auto folder = std::filesystem::is_directory(options.results)
                          ? options.results
                          : options.results.parent_path();
  const auto output = options.output.empty() ? folder / "report.html" : options.output;
  write_file_atomic(output, report::page_of(view));
  std::cout << report::terminal_table(view, terminal_width(), terminal_colours());
  std::cerr << "report: " << output.string() << '\n';
}

}  // namespace

void add_report_command(CLI::App& program) {
  auto* command = program.add_subcommand(
      "report", "render a study's results again: one page, and a table here");
  const auto options = std::make_shared<ReportOptions>();
  command->add_option("RESULTS", options->results, "a results folder, or its summary.json")
      ->required();
  command->add_option("-o,--output", options->output,
                      "the page (default: report.html beside summary.json)");
  command->callback([options] { write_report(*options); });
}

}  // namespace assay::app
