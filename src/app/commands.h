#pragma once
// One function a command: adds the subcommand to the program. The command's work runs in its
// callback, writes results to stdout and throws assay::Error for anything that must end with exit
// code 2.

#include <CLI/CLI.hpp>

namespace assay::app {

void add_compare_command(CLI::App& program);
void add_compress_command(CLI::App& program);
void add_convert_command(CLI::App& program);
void add_gate_command(CLI::App& program);
void add_inspect_command(CLI::App& program);
void add_report_command(CLI::App& program);
void add_run_command(CLI::App& program);
void add_score_command(CLI::App& program);
void add_tokenize_command(CLI::App& program);
void add_version_command(CLI::App& program);

}  // namespace assay::app
