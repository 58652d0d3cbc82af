#include "report/gate.h"

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "report/html.h"
#include "report/markdown.h"
#include "report/number_text.h"
#include "report/text.h"

namespace assay::report {
namespace {

bool is_worse(const Result& result) {
  return result.verdict == Verdict::kWorse || result.verdict == Verdict::kMuchWorse;
}

// What is not passed first: worse, then undecided.
int rank(const Result& result) {
  if (is_worse(result)) return 0;
  return result.verdict == Verdict::kNonInferior ? 2 : 1;
}

GateAnswer answer_of(std::string_view overall) {
  if (overall == "pass") return GateAnswer::kPass;
  return overall == "fail" ? GateAnswer::kFail : GateAnswer::kUndecided;
}

GatedVariant gated(const View& view, const std::string& name) {
  GatedVariant variant{name, answer_of(overall(view, name)), {}};
  for (const Result* result : results_of(view, name)) {
    if (result->primary) variant.primary.push_back(result);
  }
  std::ranges::stable_sort(variant.primary, {}, [](const Result* result) { return rank(*result); });
  return variant;
}

std::vector<std::string> judged_names(const View& view, std::span<const std::string> names) {
  std::vector<std::string_view> known;
  std::vector<std::string> judged;
  for (const Variant& variant : view.variants) {
    known.emplace_back(variant.name);
    if (variant.control.empty()) judged.push_back(variant.name);
  }
  for (const std::string& name : names) {
    require(std::ranges::find(known, name) != known.end(), "no variant '", name, "'",
            suggest(name, known));
  }
  if (!names.empty()) judged.assign(names.begin(), names.end());
  require(!judged.empty(), "there is no variant to judge beside the controls");
  return judged;
}

// "−0.070 [−0.103, −0.037], margin 0.050: worse (reason)"
std::string numbers_of(const Result& result) {
  std::string text = effect_text(result) + ", margin " + margin_text(result) + ": " +
                     std::string(verdict_name(result.verdict));
  if (!result.reason.empty()) text += " (" + result.reason + ")";
  return text;
}

// Safe in an attribute of XML, whose escapes are HTML's.
std::string attribute(std::string_view text) { return escape_html(clean_line(text)); }

void add_case(const std::string& variant, const Result& result, std::string& out) {
  out += "    <testcase classname=\"" + attribute(variant) + "\" name=\"" +
         attribute(result.dimension + ": " + result.task + " " + result.outcome) + "\"";
  if (result.verdict == Verdict::kNonInferior) {
    out += "/>\n";
    return;
  }
  const char* element = is_worse(result) ? "failure" : "error";
  out += std::string(">\n      <") + element + " type=\"" +
         attribute(verdict_name(result.verdict)) + "\" message=\"" + attribute(numbers_of(result)) +
         "\"/>\n    </testcase>\n";
}

}  // namespace

std::string_view to_string(GateAnswer answer) {
  switch (answer) {
    case GateAnswer::kPass:
      return "pass";
    case GateAnswer::kFail:
      return "fail";
    case GateAnswer::kUndecided:
      return "undecided";
  }
  return "";
}

Gate gate(const View& view, std::span<const std::string> names) {
  Gate result;
  for (const std::string& name : judged_names(view, names)) {
    result.variants.push_back(gated(view, name));
  }
  const auto any = [&](GateAnswer answer) {
    return std::ranges::find(result.variants, answer, &GatedVariant::answer) !=
           result.variants.end();
  };
  result.answer = any(GateAnswer::kFail)        ? GateAnswer::kFail
                  : any(GateAnswer::kUndecided) ? GateAnswer::kUndecided
                                                : GateAnswer::kPass;
  return result;
}

std::string gate_text(const Gate& gate) {
  std::string out;
  for (const GatedVariant& variant : gate.variants) {
    out += clean_line(variant.name) + ": " + std::string(to_string(variant.answer)) + "\n";
    if (variant.primary.empty()) out += "  no outcome of this study decides\n";
    for (const Result* result : variant.primary) {
      if (result->verdict == Verdict::kNonInferior) continue;
      out += "  " + clean_line(result->dimension + ", " + result->task + " " + result->outcome) +
             ": " + clean_line(numbers_of(*result)) + "\n";
    }
  }
  return out;
}

std::string gate_junit(const View& view, const Gate& gate) {
  std::string suites;
  int64_t tests = 0, failures = 0, errors = 0;
  for (const GatedVariant& variant : gate.variants) {
    std::string cases;
    int64_t failed = 0, undecided = 0;
    for (const Result* result : variant.primary) {
      add_case(variant.name, *result, cases);
      failed += rank(*result) == 0 ? 1 : 0;
      undecided += rank(*result) == 1 ? 1 : 0;
    }
    const auto count = std::ssize(variant.primary);
    suites += "  <testsuite name=\"" + attribute(view.study + "/" + variant.name) + "\" tests=\"" +
              std::to_string(count) + "\" failures=\"" + std::to_string(failed) + "\" errors=\"" +
              std::to_string(undecided) + "\">\n" + cases + "  </testsuite>\n";
    tests += count;
    failures += failed;
    errors += undecided;
  }
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"assay gate\" tests=\"" +
         std::to_string(tests) + "\" failures=\"" + std::to_string(failures) + "\" errors=\"" +
         std::to_string(errors) + "\">\n" + suites + "</testsuites>\n";
}

std::string gate_markdown(const View& view, const Gate& gate) {
  std::string out = "## assay gate: " + std::string(to_string(gate.answer)) + "\n\n" +
                    escape_markdown(view.study) + " against " +
                    escape_markdown(view.reference_text) + "\n\n" +
                    "| variant | dimension | outcome | base | variant | difference (95 % interval) "
                    "| margin | verdict |\n|---|---|---|---|---|---|---|---|\n";
  for (const GatedVariant& variant : gate.variants) {
    for (const Result* r : variant.primary) {
      out += "| " + escape_markdown(variant.name) + " | " + escape_markdown(r->dimension) + " | " +
             escape_markdown(r->task + " " + r->outcome) + " | " + number_text(r->base.value) +
             " | " + number_text(r->variant_value.value) + " | " + effect_text(*r) + " | " +
             margin_text(*r) + " | " + std::string(verdict_glyph(r->verdict)) + " " +
             std::string(verdict_name(r->verdict)) +
             (r->reason.empty() ? "" : ": " + escape_markdown(r->reason)) + " |\n";
    }
    if (!variant.primary.empty()) continue;
    out += "| " + escape_markdown(variant.name) +
           " | – | no outcome decides | – | – | – | – | undecided |\n";
  }
  return out;
}

}  // namespace assay::report
