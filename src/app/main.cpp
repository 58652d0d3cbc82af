// argv becomes a command, an error becomes an exit code; nothing else happens here.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "app/commands.h"
#include "base/error.h"

namespace {

constexpr int kBadInput = 2;   // bad input, full disk, cannot decide
constexpr int kInternal = 70;  // our bug

int run(int argc, char** argv) {
  CLI::App program{"assay: what did compression do to this language model, beyond perplexity?",
                   "assay"};
  program.require_subcommand(1);
  for (const auto add : {
           assay::app::add_run_command,
           assay::app::add_compress_command,
           assay::app::add_convert_command,
           assay::app::add_compare_command,
           assay::app::add_inspect_command,
           assay::app::add_report_command,
           assay::app::add_score_command,
           assay::app::add_tokenize_command,
           assay::app::add_version_command,
       }) {
    add(program);
  }
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return program.exit(e);  // --help
    std::cerr << "assay: " << e.what() << " (see assay --help)\n";
    return kBadInput;
  }
  return 0;
}

int guarded_run(int argc, char** argv) try {
  return run(argc, argv);
} catch (const assay::Error& e) {
  std::cerr << "assay: " << e.what() << '\n';
  return e.kind == assay::ErrorKind::kInternal ? kInternal : kBadInput;
} catch (const std::exception& e) {  // whatever no layer turned into an Error is our bug
  std::cerr << "assay: internal error: " << e.what() << '\n';
  return kInternal;
}

}  // namespace

int main(int argc, char** argv) {
  const int code = guarded_run(argc, argv);
  std::cout.flush();
  std::fflush(nullptr);
  std::_Exit(code);  // libtorch takes a fifth of a second to unregister its operators
}
