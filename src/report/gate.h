#pragma once
// May the variants of a study ship? The verdicts of their primary outcomes as one answer: for an
// exit code, a CI system, a pull request.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "report/view.h"

namespace assay::report {

// As overall() says of a variant (report/view.h); one without a primary outcome is undecided.
enum class GateAnswer { kPass, kFail, kUndecided };
std::string_view to_string(GateAnswer answer);  // "pass", "fail", "undecided"

struct GatedVariant {
  std::string name;
  GateAnswer answer = GateAnswer::kUndecided;
  std::vector<const Result*> primary;  // of the view
};

struct Gate {
  GateAnswer answer = GateAnswer::kUndecided;  // any fail, else any undecided, else pass
  std::vector<GatedVariant> variants;
};

// Of the named variants, or of all that are no controls. Error(kBadInput): a name that no variant
// has (with the nearest), or nothing to judge. `view` must outlive the result.
Gate gate(const View& view, std::span<const std::string> names);

// A line a variant and, under it, each primary outcome that is not non-inferior.
std::string gate_text(const Gate& gate);

// JUnit's XML: a test suite a variant, a test case a primary outcome; worse is a failure, what is
// not decided an error, with the numbers as the message.
std::string gate_junit(const View& view, const Gate& gate);

// For the comment of a pull request: the answer, a table of primary outcomes, what is not passed
// first.
std::string gate_markdown(const View& view, const Gate& gate);

}  // namespace assay::report
