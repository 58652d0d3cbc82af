#pragma once
// The whole study: compress, ask, judge, compare, report; resumes by itself.

#include <cstdint>
#include <filesystem>
#include <iosfwd>

#include "report/terminal.h"
#include "run/plan.h"

namespace assay {

struct RunOptions {
  int64_t batch_tokens = 2048;
  report::Colours colours = report::Colours::kNone;  // of the table
  size_t terminal_width = 100;
};

// Runs what is not finished in the study's output folder and writes results, summary and report.
// The terminal table goes to `out`, progress to stderr. Error(kBadInput) when the folder is in use,
// the self-test fails, or the disk is full; everything finished before stays, and the same call
// goes on from there.
void run_study(const Plan& plan, const RunOptions& options, std::ostream& out);

}  // namespace assay
