#pragma once
// What the report shows, read once from the summary (docs/summary-json.md). All formats are written
// from this, so that they cannot disagree. Absent numbers (null) are NaN and print as "–".

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "compare/description.h"

namespace assay::report {

inline constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();

struct Estimate {
  double value = kNoNumber, low = kNoNumber, high = kNoNumber;  // low, high: 95 % interval
};

struct Variant {
  std::string name, method, settings;  // settings: "sparsity 0.5, pattern 2:4"
  std::string control;                 // "", "positive" or "negative"
  double bits = kNoNumber;             // stored bits per weight
  double sparsity = kNoNumber;         // counted share of zeros
  double size_bytes = kNoNumber;
  std::vector<std::string> notes;
  std::optional<FileInspection> file;  // none in older summaries
};

enum class Verdict { kNonInferior, kWorse, kMuchWorse, kUndecidable, kNotInterpretable };

struct Group {
  std::string name;
  double base = kNoNumber, variant = kNoNumber;
  Estimate difference;
  double effective_n = kNoNumber;
  bool hatched = false;  // fewer than 20 effective items: shown, never judged
};

// One outcome of one variant against the base. `difference` is oriented (negative is harm) unless
// the outcome is best at zero; of a ratio it is the oriented logarithm, and `ratio` is variant /
// base.
struct Result {
  std::string variant, task, outcome, dimension, direction, method, reason, cross_check;
  bool primary = false, is_ratio = false, alarm = false;
  Estimate base, variant_value, difference, ratio;
  double p = kNoNumber, p_adjusted = kNoNumber, mcnemar_p = kNoNumber;
  Verdict verdict = Verdict::kUndecidable;
  double mde = kNoNumber;     // on the scale of difference
  double margin = kNoNumber;  // as the policy says it: 0.05, or the ratio 1.10
  int64_t num_items = 0, num_clusters = 0;
  double effective_n = kNoNumber, icc = kNoNumber, largest_cluster_share = kNoNumber;
  int64_t unscored_base = 0, unscored_variant = 0;
  std::string unscored_reasons;
  int64_t both_right = 0, base_only = 0, variant_only = 0, both_wrong = 0, changed = 0;
  bool has_flips = false;
  double mean_delta_log_likelihood = kNoNumber, max_delta_log_likelihood = kNoNumber;
  std::vector<Group> groups;
};

struct Answer {
  int64_t prediction = -1;              // index of the chosen choice; -1: none
  std::vector<double> log_likelihoods;  // nats, one per choice
};

struct FlippedItem {
  std::string variant, task, id, group, context;
  std::vector<std::string> choices;
  int64_t target = -1;  // index of the right choice; -1: none is marked
  Answer base, changed;
  bool sensitive = false;  // blurred until asked for
};

struct Sentence {
  std::string variant, dimension,
      text;  // without the words "VARIANT, DIMENSION: VERDICT" in front: "Reason. What changed."
  Verdict verdict = Verdict::kUndecidable;
};

struct View {
  std::string study, assay_version, reference_text;
  bool reference_quantized = false;
  std::optional<FileInspection> base_file;
  std::vector<Variant> variants;
  std::vector<Result> results;
  std::vector<Sentence> sentences;
  std::vector<FlippedItem> flipped;  // the stored ones; num_flipped counts all
  int64_t num_flipped = 0;
  Json summary;  // the whole, for the tables that show every key: model, policy, tasks,
                 // calibration, provenance
};

// Error(kBadInput) names the entry and key that is missing or of a wrong type, or a verdict that is
// not one of five.
View view_of_summary(const Json& summary);

// The variants' results in the order in which the summary lists variants; outcomes in their first
// order of appearance.
std::vector<const Result*> results_of(const View& view, std::string_view variant);

struct OutcomeKey {
  std::string task, outcome, dimension;
  bool primary = false;
};
// The outcomes of all results: by dimension, then task, then order of appearance, primary ones
// first.
std::vector<OutcomeKey> outcomes_of(const View& view);

const Result* find_result(const View& view, std::string_view variant, const OutcomeKey& key);

// "fail" if any primary outcome is worse, else "cannot decide" if any is not decided, else "pass";
// "–" without any.
std::string_view overall(const View& view, std::string_view variant);

// The arms whose files were inspected: the base, then variants in their order.
struct InspectedFile {
  std::string arm;
  const FileInspection* file;  // of the view
};
std::vector<InspectedFile> inspected_files(const View& view);

// Findings of one file that stand where they catch the eye; a file with a wrong pattern has one for
// each of its linears.
inline constexpr size_t kFindingsShown = 5;

// The margin on the scale of `difference`: of a ratio its logarithm.
double margin_of_difference(const Result& result);

// The difference in margins, negative for harm; any shift of an outcome that is best at zero counts
// as harm.
double harm_in_margins(const Result& result);

std::string_view verdict_name(Verdict verdict);   // "non-inferior", ...
std::string_view verdict_glyph(Verdict verdict);  // readable without colour
std::string_view verdict_class(Verdict verdict);  // CSS class

}  // namespace assay::report
