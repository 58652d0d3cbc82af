// argv becomes a command, an error becomes an exit code; nothing else happens here.

#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include "app/commands.h"
#include "base/error.h"
#include "base/mapped_file.h"

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
           assay::app::add_gate_command,
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
  } catch (const CLI::RuntimeError& e) {  // a command's own answer, as a code
    return e.get_exit_code();
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

// A mapped file that another program shortens while it is read: one line and the exit code of bad
// input, by what a signal handler may call.
void end_on_lost_file(int /*signal*/, siginfo_t* info, void* /*context*/) {
  const char* path = assay::path_of_mapping(info->si_addr);
  const auto print = [](const char* text) {
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, std::strlen(text));
  };
  print("assay: ");
  print(path == nullptr ? "a file" : path);
  print(": became shorter, or could not be read, while it was in use\n");
  std::_Exit(kBadInput);
}

void watch_mapped_files() {
  struct sigaction action {};
  action.sa_sigaction = end_on_lost_file;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  watch_mapped_files();
  const int code = guarded_run(argc, argv);
  std::cout.flush();
  std::fflush(nullptr);
  std::_Exit(code);  // libtorch takes a fifth of a second to unregister its operators
}
