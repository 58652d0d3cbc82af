#include "report/view.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "report/number_text.h"

namespace assay::report {
namespace {

struct VerdictWords {
  Verdict verdict;
  std::string_view name, glyph, css_class;
};

constexpr std::array kVerdicts{
    VerdictWords{Verdict::kNonInferior, "non-inferior", "✓", "ok"},
    VerdictWords{Verdict::kWorse, "worse", "▼", "worse"},
    VerdictWords{Verdict::kMuchWorse, "much worse", "▼▼", "much-worse"},
    VerdictWords{Verdict::kUndecidable, "undecidable", "?", "undecidable"},
    VerdictWords{Verdict::kNotInterpretable, "not interpretable", "⊘", "uninterpretable"},
};

const VerdictWords& words(Verdict verdict) {
  return *std::ranges::find(kVerdicts, verdict, &VerdictWords::verdict);
}

Verdict verdict_named(const std::string& name, const std::string& where) {
  const auto found = std::ranges::find(kVerdicts, name, &VerdictWords::name);
  if (found != kVerdicts.end()) return found->verdict;
  std::vector<std::string_view> known;
  known.reserve(kVerdicts.size());
  for (const VerdictWords& w : kVerdicts) known.push_back(w.name);
  fail(ErrorKind::kBadInput, where, ": no verdict '", name, "'", suggest(name, known));
}

// Summary entries are read by these: null and absent are "no number" and "", a wrong type is an
// error.
double number(const Json& object, const std::string& key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return kNoNumber;
  return json_get<double>(object, key, where);
}

std::string text(const Json& object, const std::string& key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return "";
  if (found->is_number()) return found->dump();  // an id may be a number
  require(found->is_string(), where, ": '", key, "' must be a string, got ", found->type_name());
  return found->get<std::string>();  // any bytes: every format cleans its text
}

std::string required_text(const Json& object, const std::string& key, const std::string& where) {
  require(object.contains(key), where, ": missing key '", key, "'");
  return text(object, key, where);
}

bool flag(const Json& object, const std::string& key, const std::string& where) {
  return json_get_or<bool>(object, key, false, where);
}

int64_t count(const Json& object, const std::string& key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return 0;
  return json_get<int64_t>(object, key, where);
}

int64_t index(const Json& object, const std::string& key, const std::string& where) {
  return json_get_or<Json>(object, key, nullptr, where).is_null()
             ? -1
             : json_get<int64_t>(object, key, where);
}

const Json& member(const Json& object, const std::string& key) {
  static const Json kNothing = Json::object();
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? kNothing : *found;
}

const Json& list(const Json& object, const std::string& key, const std::string& where) {
  static const Json kEmpty = Json::array();
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return kEmpty;
  require(found->is_array(), where, ": '", key, "' must be a list, got ", found->type_name());
  return *found;
}

Estimate estimate(const Json& object, const std::string& key, const std::string& where) {
  const Json& e = member(object, key);
  require(e.is_object(), where, ": '", key, "' must be an object, got ", e.type_name());
  return {number(e, "value", where), number(e, "low", where), number(e, "high", where)};
}

// What is switched off says nothing in a line; the summary has every setting.
bool is_off(const Json& value) {
  return value == Json(false) || value == Json("none") || (value.is_structured() && value.empty());
}

// "sparsity 0.5, pattern 2:4"; the method stands beside it.
std::string settings_text(const Json& settings) {
  if (settings.is_string()) return settings.get<std::string>();
  std::string out;
  for (const auto& [key, value] : settings.items()) {
    if (key == "method" || is_off(value)) continue;
    if (!out.empty()) out += ", ";
    out.append(key).append(" ").append(value.is_string() ? value.get<std::string>() : value.dump());
  }
  return out;
}

std::optional<FileInspection> inspection(const Json& object, const std::string& key,
                                         const std::string& where) {
  const Json& file = member(object, key);
  if (file.empty()) return std::nullopt;
  return file_inspection(file, where + ": " + key);
}

Variant read_variant(const Json& v, const std::string& where) {
  Variant out;
  out.name = required_text(v, "name", where);
  out.method = text(v, "method", where);
  out.settings = settings_text(member(v, "settings"));
  out.control = text(v, "control", where);
  out.bits = number(v, "bits", where);
  out.sparsity = number(v, "sparsity", where);
  out.size_bytes = number(v, "size_bytes", where);
  for (const Json& note : member(v, "notes")) {
    require(note.is_string(), where, ": 'notes' must be a list of texts");
    out.notes.push_back(note.get<std::string>());
  }
  out.file = inspection(v, "inspection", where);
  return out;
}

Group read_group(const Json& g, const std::string& where) {
  return {.name = required_text(g, "group", where),
          .base = number(g, "base", where),
          .variant = number(g, "variant", where),
          .difference = {number(g, "difference", where), number(g, "low", where),
                         number(g, "high", where)},
          .effective_n = number(g, "effective_n", where),
          .hatched = flag(g, "hatched", where)};
}

// "variant: NaN × 3, base: choice missing × 1"
std::string reasons_text(const Json& reasons, const std::string& where) {
  std::string out;
  for (const Json& r : reasons) {
    if (!out.empty()) out += ", ";
    out += text(r, "arm", where) + ": " + text(r, "reason", where) + " × " +
           std::to_string(count(r, "count", where));
  }
  return out;
}

// "CR2, Satterthwaite 87.1 df: [−0.104, −0.036]"
std::string cross_check_text(const Json& check, const std::string& where) {
  if (check.empty()) return "";
  const Estimate interval{.low = number(check, "low", where), .high = number(check, "high", where)};
  return text(check, "method", where) + ": [" + signed_text(interval.low) + ", " +
         signed_text(interval.high) + "]";
}

Result read_result(const Json& r, const std::string& where) {
  Result out;
  out.variant = required_text(r, "variant", where);
  out.task = required_text(r, "task", where);
  out.outcome = required_text(r, "outcome", where);
  out.dimension = text(r, "dimension", where);
  out.direction = text(r, "direction", where);
  out.is_ratio = text(r, "scale", where) == "ratio";
  out.primary = flag(r, "primary", where);
  out.alarm = flag(r, "alarm", where);
  out.cross_check = cross_check_text(member(r, "cross_check"), where);
  out.base = estimate(r, "base", where);
  out.variant_value = estimate(r, "variant_value", where);
  out.difference = estimate(r, "difference", where);
  out.ratio = estimate(r, "ratio", where);
  out.p = number(r, "p", where);
  out.p_adjusted = number(r, "p_adjusted", where);
  out.method = text(r, "method", where);
  out.verdict = verdict_named(required_text(r, "verdict", where), where);
  out.reason = text(r, "reason", where);
  out.mde = number(r, "mde", where);
  out.margin = number(r, "margin", where);
  out.num_items = count(r, "num_items", where);
  out.num_clusters = count(r, "num_clusters", where);
  out.effective_n = number(r, "effective_n", where);
  out.icc = number(r, "icc", where);
  out.largest_cluster_share = number(r, "largest_cluster_share", where);
  const Json& unscored = member(r, "unscored");
  out.unscored_base = count(unscored, "base", where);
  out.unscored_variant = count(unscored, "variant", where);
  out.unscored_reasons = reasons_text(list(unscored, "reasons", where), where);
  const Json& flips = member(r, "flips");
  out.has_flips = !flips.empty();
  out.both_right = count(flips, "both_right", where);
  out.base_only = count(flips, "base_only", where);
  out.variant_only = count(flips, "variant_only", where);
  out.both_wrong = count(flips, "both_wrong", where);
  out.changed = count(flips, "changed_predictions", where);
  out.mcnemar_p = number(r, "mcnemar_p", where);
  const Json& drift = member(r, "delta_log_likelihood");
  out.mean_delta_log_likelihood = number(drift, "mean", where);
  out.max_delta_log_likelihood = number(drift, "max", where);
  for (const Json& g : list(r, "groups", where))
    out.groups.push_back(read_group(g, where + ": groups"));
  return out;
}

Answer read_answer(const Json& a, const std::string& where) {
  Answer out;
  out.prediction = index(a, "prediction", where);
  for (const Json& value : list(a, "log_likelihoods", where)) {
    out.log_likelihoods.push_back(value.is_number() ? value.get<double>() : kNoNumber);
  }
  return out;
}

FlippedItem read_flipped(const Json& f, const std::string& where) {
  FlippedItem out;
  out.variant = required_text(f, "variant", where);
  out.task = required_text(f, "task", where);
  out.id = text(f, "id", where);
  out.group = text(f, "group", where);
  out.context = text(f, "context", where);
  for (const Json& choice : list(f, "choices", where)) {
    require(choice.is_string(), where, ": a choice must be a string, got ", choice.type_name());
    out.choices.push_back(choice.get<std::string>());
  }
  out.target = index(f, "target", where);
  out.base = read_answer(member(f, "base_answer"), where + ": base_answer");
  out.changed = read_answer(member(f, "variant_answer"), where + ": variant_answer");
  out.sensitive = flag(f, "sensitive", where);
  return out;
}

template <class T>
void read_list(const Json& summary, const std::string& key, std::vector<T>& out,
               T (*read)(const Json&, const std::string&)) {
  size_t i = 0;
  for (const Json& entry : list(summary, key, "summary")) {
    const std::string where = "summary: " + key + "[" + std::to_string(i++) + "]";
    require(entry.is_object(), where, ": expected an object, got ", entry.type_name());
    out.push_back(read(entry, where));
  }
}

// The sentence begins "VARIANT, DIMENSION: VERDICT (reason). ", whose first part every place that
// shows it says in its own way: left is "Reason. " and the rest.
std::string without_heading(const Sentence& s) {
  const std::string heading =
      s.variant + ", " + s.dimension + ": " + std::string(verdict_name(s.verdict));
  if (!s.text.starts_with(heading)) return s.text;
  std::string rest = s.text.substr(heading.size());
  if (rest.starts_with(". ")) return rest.substr(2);
  const size_t end = rest.find("). ");
  if (!rest.starts_with(" (") || end == std::string::npos) return s.text;
  rest = rest.substr(2, end - 2) + rest.substr(end + 1);
  if ('a' <= rest[0] && rest[0] <= 'z') rest[0] = static_cast<char>(rest[0] - 'a' + 'A');
  return rest;
}

Sentence read_sentence(const Json& s, const std::string& where) {
  Sentence out{.variant = required_text(s, "variant", where),
               .dimension = required_text(s, "dimension", where),
               .text = required_text(s, "text", where),
               .verdict = verdict_named(required_text(s, "verdict", where), where)};
  out.text = without_heading(out);
  return out;
}

}  // namespace

View view_of_summary(const Json& summary) {
  View view;
  view.study = required_text(summary, "study", "summary");
  view.assay_version = text(summary, "assay_version", "summary");
  const Json& reference = member(summary, "reference");
  view.reference_text = text(reference, "text", "summary: reference");
  if (!view.reference_text.empty()) view.reference_text.insert(0, "reference = ");
  view.reference_quantized = flag(reference, "quantized", "summary: reference");
  view.base_file = inspection(summary, "base_inspection", "summary");
  read_list(summary, "variants", view.variants, read_variant);
  read_list(summary, "results", view.results, read_result);
  read_list(summary, "sentences", view.sentences, read_sentence);
  const Json& flipped = member(summary, "flipped_items");
  read_list(flipped, "items", view.flipped, read_flipped);
  view.num_flipped = count(flipped, "num_total", "summary: flipped_items");
  view.summary = summary;
  return view;
}

std::vector<const Result*> results_of(const View& view, std::string_view variant) {
  std::vector<const Result*> out;
  for (const OutcomeKey& key : outcomes_of(view)) {
    if (const Result* found = find_result(view, variant, key)) out.push_back(found);
  }
  return out;
}

std::vector<OutcomeKey> outcomes_of(const View& view) {
  std::vector<OutcomeKey> keys;
  std::vector<std::string> dimensions;
  for (const Result& r : view.results) {
    if (std::ranges::find(dimensions, r.dimension) == dimensions.end())
      dimensions.push_back(r.dimension);
    const bool known = std::ranges::any_of(
        keys, [&](const OutcomeKey& k) { return k.task == r.task && k.outcome == r.outcome; });
    if (!known) keys.push_back({r.task, r.outcome, r.dimension, r.primary});
  }
  std::ranges::stable_sort(keys, [&](const OutcomeKey& a, const OutcomeKey& b) {
    const auto rank = [&](const OutcomeKey& k) {
      return std::pair(std::ranges::find(dimensions, k.dimension) - dimensions.begin(), !k.primary);
    };
    return rank(a) < rank(b);
  });
  return keys;
}

const Result* find_result(const View& view, std::string_view variant, const OutcomeKey& key) {
  const auto found = std::ranges::find_if(view.results, [&](const Result& r) {
    return r.variant == variant && r.task == key.task && r.outcome == key.outcome;
  });
  return found == view.results.end() ? nullptr : &*found;
}

std::string_view overall(const View& view, std::string_view variant) {
  bool any = false, undecided = false;
  for (const Result& r : view.results) {
    if (r.variant != variant || !r.primary) continue;
    any = true;
    if (r.verdict == Verdict::kWorse || r.verdict == Verdict::kMuchWorse) return "fail";
    if (r.verdict != Verdict::kNonInferior) undecided = true;
  }
  if (!any) return "–";
  return undecided ? "cannot decide" : "pass";
}

std::vector<InspectedFile> inspected_files(const View& view) {
  std::vector<InspectedFile> files;
  if (view.base_file) files.push_back({"base", &*view.base_file});
  for (const Variant& v : view.variants) {
    if (v.file) files.push_back({v.name, &*v.file});
  }
  return files;
}

double margin_of_difference(const Result& result) {
  return result.is_ratio ? std::log(result.margin) : result.margin;
}

double harm_in_margins(const Result& result) {
  const double ratio = result.difference.value / margin_of_difference(result);
  return result.direction == "towards zero" ? -std::abs(ratio) : ratio;
}

std::string_view verdict_name(Verdict verdict) { return words(verdict).name; }
std::string_view verdict_glyph(Verdict verdict) { return words(verdict).glyph; }
std::string_view verdict_class(Verdict verdict) { return words(verdict).css_class; }

}  // namespace assay::report
