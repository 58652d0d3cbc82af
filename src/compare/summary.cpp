#include "compare/summary.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "compare/sentence.h"

namespace assay {
namespace {

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }

Json text_or_null(const std::optional<std::string>& text) { return text ? Json(*text) : Json(); }

Json to_json(const Estimate& e) {
  return {{"value", number(e.value)}, {"low", number(e.low)}, {"high", number(e.high)}};
}

Json to_json(const CalibrationDescription& c) {
  Json overlap = Json::array();
  for (const auto& [task, found] : c.overlap) {
    overlap.push_back({{"task", task},
                       {"num_items", found.num_items},
                       {"num_eligible", found.num_eligible},
                       {"num_overlapping", found.items.size()},
                       {"share", found.share()},
                       {"warning", text_or_null(found.warning())}});
  }
  return {{"source", c.source}, {"samples", c.samples}, {"length", c.length},
          {"seed", c.seed},     {"hash", c.hash},       {"overlap", std::move(overlap)}};
}

// With the counts of its items, and the warning that its overlap with the calibration text earns.
Json task_json(const TaskDescription& task, std::span<const AnsweredItem> items,
               const std::optional<CalibrationDescription>& calibration) {
  std::set<std::string_view> clusters;
  for (const AnsweredItem& item : items) clusters.insert(item.cluster);
  Json json = to_json(task);
  json["num_items"] = items.size();
  json["num_clusters"] = clusters.size();
  if (!calibration) return json;
  for (const auto& [name, overlap] : calibration->overlap) {
    if (name != task.name) continue;
    if (const auto warning = overlap.warning()) json["warnings"].push_back(*warning);
  }
  return json;
}

Json control_name(Control control) {
  switch (control) {
    case Control::kNone:
      return {};
    case Control::kPositive:
      return "positive";
    case Control::kNegative:
      return "negative";
  }
  return {};
}

Json variant_json(const VariantDescription& variant, Control control) {
  Json json = to_json(variant);
  json["control"] = control_name(control);
  return json;
}

Json to_json(const UnscoredCounts& unscored) {
  Json reasons = Json::array();
  for (const auto& [key, count] : unscored.reasons) {
    reasons.push_back({{"arm", key.first}, {"reason", key.second}, {"count", count}});
  }
  return {{"base", unscored.base},
          {"variant", unscored.variant},
          {"either", unscored.either},
          {"reasons", std::move(reasons)}};
}

Json to_json(const std::optional<Flips>& flips) {
  if (!flips) return {};
  return {{"both_right", flips->both_right},
          {"base_only", flips->base_only},
          {"variant_only", flips->variant_only},
          {"both_wrong", flips->both_wrong},
          {"changed_predictions", flips->changed_predictions}};
}

Json to_json(const std::vector<GroupResult>& groups) {
  Json rows = Json::array();
  for (const GroupResult& g : groups) {
    rows.push_back({{"group", g.group},
                    {"num_items", g.num_items},
                    {"base", number(g.base)},
                    {"variant", number(g.variant)},
                    {"difference", number(g.difference.value)},
                    {"low", number(g.difference.low)},
                    {"high", number(g.difference.high)},
                    {"effective_n", number(g.effective_n)},
                    {"hatched", g.hatched}});
  }
  return rows;
}

Json to_json(const Result& result, const std::string& variant, const PolicyOutcome& row) {
  const Inference& i = result.inference;
  Json json{{"variant", variant},
            {"task", row.task},
            {"outcome", row.outcome.name},
            {"dimension", row.outcome.dimension},
            {"direction", to_string(row.outcome.direction)},
            {"scale", to_string(row.outcome.scale)},
            {"primary", row.primary},
            {"base", to_json(i.base)},
            {"variant_value", to_json(i.variant)},
            {"difference", to_json(i.difference)},
            {"ratio", i.ratio ? to_json(*i.ratio) : Json()},
            {"p", number(i.p)},
            {"p_adjusted", number(result.p_adjusted)},
            {"alarm", result.alarm},
            {"method", i.method}};
  json["cross_check"] = Json();
  if (i.cross_check) {
    json["cross_check"] = {{"method", i.cross_check->method},
                           {"low", number(i.cross_check->low)},
                           {"high", number(i.cross_check->high)}};
  }
  json["by_chance"] = Json();
  if (i.chance) {
    json["by_chance"] = {{"base", to_json(i.chance->base)},
                         {"variant", to_json(i.chance->variant)}};
  }
  json["verdict"] = to_string(result.decision.verdict);
  json["reason"] = result.decision.reason;
  json["mde"] = number(i.mde);
  json["margin"] = row.outcome.margin;
  json["num_items"] = i.num_items;
  json["num_clusters"] = i.num_clusters;
  json["effective_n"] = number(i.effective_n);
  json["icc"] = number(i.icc);
  json["largest_cluster_share"] = number(i.largest_cluster_share);
  json["unscored"] = to_json(result.unscored);
  json["flips"] = to_json(result.flips);
  json["mcnemar_p"] = result.mcnemar_p ? number(*result.mcnemar_p) : Json();
  json["delta_log_likelihood"] = Json();
  if (result.shift) {
    json["delta_log_likelihood"] = {{"mean", number(result.shift->mean)},
                                    {"max", number(result.shift->max)},
                                    {"of", result.shift->of_target ? "target" : "choices"}};
  }
  json["groups"] = to_json(result.groups);
  return json;
}

Json answer_json(const AnsweredItem& item) {
  Json log_likelihoods = Json::array();
  for (const double value : item.log_likelihoods) log_likelihoods.push_back(number(value));
  return {{"prediction", *item.prediction}, {"log_likelihoods", std::move(log_likelihoods)}};
}

Json flipped_json(const StudyAnswers& study, std::span<const Flipped> flipped) {
  Json items = Json::array();
  size_t shown = 0;  // of this variant and task: they stand together
  for (size_t i = 0; i < flipped.size(); ++i) {
    const Flipped& f = flipped[i];
    const bool same = i > 0 && flipped[i - 1].variant == f.variant && flipped[i - 1].task == f.task;
    shown = same ? shown + 1 : 1;
    if (shown > kFlippedItemsPerTask) continue;
    const AnsweredItem& base = study.base[f.task][f.item.base_item];
    const VariantAnswers& variant = study.variants[f.variant];
    items.push_back({{"variant", variant.name},
                     {"task", study.tasks[f.task].task},
                     {"id", base.id},
                     {"group", base.groups.empty() ? "" : base.groups.front()},
                     {"context", base.context},
                     {"choices", base.choices},
                     {"target", base.target},
                     {"base_answer", answer_json(base)},
                     {"variant_answer", answer_json(variant.tasks[f.task][f.item.variant_item])}});
  }
  return {{"num_total", flipped.size()}, {"items", std::move(items)}};
}

Json controls_json(const StudyAnswers& study, const StudyComparison& comparison) {
  Json positive = Json::array();
  for (const PositiveControlReport& report : comparison.positive) {
    Json dimensions = Json::array();
    for (const DetectedDimension& d : report.dimensions) {
      dimensions.push_back({{"dimension", d.dimension},
                            {"task", d.task},
                            {"outcome", d.outcome},
                            {"detected", d.detected}});
    }
    positive.push_back(
        {{"variant", study.variants[report.variant].name}, {"dimensions", dimensions}});
  }
  Json negative = Json::array();
  for (const NegativeControlReport& report : comparison.negative) {
    negative.push_back(
        {{"variant", study.variants[report.variant].name},
         {"passed", report.control.reasons.empty()},
         {"max_delta_log_likelihood", number(report.control.max_delta_log_likelihood)},
         {"num_flips", report.control.num_flips},
         {"reasons", report.control.reasons}});
  }
  return {{"positive", std::move(positive)}, {"negative", std::move(negative)}};
}

void require_same_study(const StudyDescription& description, const StudyAnswers& study) {
  require(description.tasks.size() == study.tasks.size() &&
              description.variants.size() == study.variants.size(),
          "summary: the description is of another study");
  for (size_t t = 0; t < study.tasks.size(); ++t) {
    require(description.tasks[t].name == study.tasks[t].task, "summary: task '",
            description.tasks[t].name, "' is described where '", study.tasks[t].task,
            "' was asked");
  }
  for (size_t v = 0; v < study.variants.size(); ++v) {
    require(description.variants[v].name == study.variants[v].name, "summary: variant '",
            description.variants[v].name, "' is described where '", study.variants[v].name,
            "' answered");
  }
}

}  // namespace

Json summary_json(const StudyDescription& description, const StudyAnswers& study,
                  const Policy& policy, const StudyComparison& comparison) {
  require_same_study(description, study);
  Json json{{"study", description.study},
            {"assay_version", description.assay_version},
            {"seed", study.seed}};
  json["reference"] = to_json(description.reference);
  json["policy"] = {
      {"name", policy.name}, {"hash", policy_hash(policy)}, {"outcomes", to_json(policy)}};
  json["model"] = to_json(description.model);
  json["base_inspection"] =
      description.base_inspection ? to_json(*description.base_inspection) : Json();
  json["tokenizer"] = to_json(description.tokenizer);
  json["calibration"] = description.calibration ? to_json(*description.calibration) : Json();
  json["tasks"] = Json::array();
  for (size_t t = 0; t < study.tasks.size(); ++t) {
    json["tasks"].push_back(
        task_json(description.tasks[t], study.base[t], description.calibration));
  }
  json["variants"] = Json::array();
  for (size_t v = 0; v < study.variants.size(); ++v) {
    json["variants"].push_back(variant_json(description.variants[v], study.variants[v].control));
  }
  json["results"] = Json::array();
  json["sentences"] = Json::array();
  for (const Result& result : comparison.results) {
    const std::string& variant = study.variants[result.variant].name;
    const PolicyOutcome& row = policy.outcomes[result.policy];
    json["results"].push_back(to_json(result, variant, row));
    if (!row.primary) continue;
    json["sentences"].push_back({{"variant", variant},
                                 {"dimension", row.outcome.dimension},
                                 {"task", row.task},
                                 {"outcome", row.outcome.name},
                                 {"verdict", to_string(result.decision.verdict)},
                                 {"text", verdict_sentence(variant, row, result)}});
  }
  json["flipped_items"] = flipped_json(study, comparison.flipped);
  json["controls"] = controls_json(study, comparison);
  json["self_test"] = Json::array();
  for (const SelfTestResult& test : description.self_test) {
    json["self_test"].push_back(
        {{"name", test.name}, {"passed", test.passed}, {"detail", test.detail}});
  }
  json["x_assay"] = {{"run", description.run}};
  return json;
}

}  // namespace assay
