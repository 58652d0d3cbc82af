#include "compare/study_comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_set>

#include "base/error.h"
#include "stats/multiplicity.h"
#include "stats/paired_binary.h"

namespace assay {
namespace {

constexpr double kAlarmLevel = 0.05;

// Where a row of the policy finds its items: number of the task, number of the outcome in it.
struct Place {
  size_t task = 0;
  size_t outcome = 0;
};

std::vector<Place> places_of(const StudyAnswers& study, const Policy& policy) {
  std::vector<Place> places;
  for (size_t t = 0; t < study.tasks.size(); ++t) {
    for (size_t o = 0; o < study.tasks[t].outcomes.size(); ++o) places.push_back({t, o});
  }
  require(places.size() == policy.outcomes.size(), "the policy has ", policy.outcomes.size(),
          " outcomes, the study ", places.size());
  for (size_t i = 0; i < places.size(); ++i) {
    const auto& task = study.tasks[places[i].task];
    require(policy.outcomes[i].task == task.task &&
                policy.outcomes[i].outcome.name == task.outcomes[places[i].outcome].name,
            "the policy's outcome ", policy.outcomes[i].task, " ", policy.outcomes[i].outcome.name,
            " is not the study's ", task.task, " ", task.outcomes[places[i].outcome].name);
  }
  return places;
}

std::vector<std::string> groups_of(const OutcomePairs& pairs, std::span<const AnsweredItem> base) {
  std::vector<std::string> groups;
  std::unordered_set<std::string> seen;
  for (const size_t item : pairs.base_item) {
    for (const std::string& group : base[item].groups) {
      if (seen.insert(group).second) groups.push_back(group);
    }
  }
  return groups;
}

GroupResult compare_group(const Outcome& outcome, const OutcomePairs& pairs,
                          std::span<const AnsweredItem> base, const std::string& group,
                          uint64_t seed) {
  const auto inference =
      infer(outcome, pairs_of_group(pairs, base, group, outcome), seed, kGroupEffort);
  GroupResult result;
  result.group = group;
  result.num_items = inference.num_items;
  result.base = inference.base.value;
  result.variant = inference.variant.value;
  result.difference = inference.difference;
  result.effective_n = inference.effective_n;
  result.hatched = inference.effective_n < kMinEffectiveItems;
  return result;
}

// All items together of an outcome between groups.
Inference infer_overall(const Outcome& outcome, const OutcomePairs& pairs, uint64_t seed) {
  if (!outcome.between_groups) return infer(outcome, pairs, seed);
  Inference none;
  none.method = "none";
  none.problem = "signed for one group at a time: see the groups";
  none.num_items = static_cast<int64_t>(pairs.size());
  none.num_clusters = pairs.num_clusters;
  return none;
}

// An outcome without a verdict of its own: a number to read beside others.
bool is_descriptive(const Outcome& outcome) {
  return outcome.between_groups || outcome.statistic == nullptr;
}

Result compare_outcome(const Outcome& outcome, size_t index, std::span<const AnsweredItem> base,
                       std::span<const AnsweredItem> variant, std::span<const size_t> alignment,
                       uint64_t seed) {
  const auto pairs = pair_outcome(base, variant, alignment, outcome, index);
  Result result;
  result.inference = infer_overall(outcome, pairs, seed);
  result.unscored = pairs.unscored;
  result.flips = count_flips(pairs, base, variant);
  if (result.flips) {
    result.mcnemar_p = mcnemar_exact_p(result.flips->base_only, result.flips->variant_only);
  }
  result.shift = log_likelihood_shift(pairs, base, variant);
  if (outcome.statistic == nullptr) return result;  // of all items or of none
  for (const std::string& group : groups_of(pairs, base)) {
    result.groups.push_back(compare_group(outcome, pairs, base, group, seed));
  }
  return result;
}

// An outcome without a p (no interval either) takes its place in a family with p = 1, so that
// leaving out hard outcomes gains nothing.
double p_in_family(const Result& result) {
  return std::isnan(result.inference.p) ? 1 : result.inference.p;
}

// Holm over the primary outcomes of one variant, Benjamini-Hochberg over the others.
void adjust(std::span<Result> results, const Policy& policy) {
  for (const bool primary : {true, false}) {
    std::vector<double> p;
    std::vector<Result*> family;
    for (Result& result : results) {
      if (policy.outcomes[result.policy].primary != primary) continue;
      family.push_back(&result);
      p.push_back(p_in_family(result));
    }
    const auto adjusted = primary ? holm(p) : benjamini_hochberg(p);
    for (size_t i = 0; i < family.size(); ++i) {
      if (std::isnan(family[i]->inference.p)) continue;
      family[i]->p_adjusted = adjusted[i];
      family[i]->alarm =
          adjusted[i] <= kAlarmLevel &&
          shows_harm(policy.outcomes[family[i]->policy].outcome, family[i]->inference);
    }
  }
}

std::vector<std::string_view> dimensions_of(const Policy& policy) {
  std::vector<std::string_view> dimensions;
  for (const PolicyOutcome& row : policy.outcomes) {
    if (std::ranges::find(dimensions, row.outcome.dimension) == dimensions.end()) {
      dimensions.push_back(row.outcome.dimension);
    }
  }
  return dimensions;
}

// Whether one positive control is seen on a dimension: some outcome of the dimension shows harm
// after Holm over all of them (docs/adr/0028). Named is the outcome that shows it most clearly,
// else the primary.
DetectedDimension detect(std::string_view dimension, std::span<const Result> results,
                         const Policy& policy) {
  std::vector<const Result*> family;
  std::vector<double> p;
  for (const Result& result : results) {
    if (policy.outcomes[result.policy].outcome.dimension != dimension) continue;
    family.push_back(&result);
    p.push_back(p_in_family(result));
  }
  const auto adjusted = holm(p);
  std::optional<size_t> clearest;
  size_t speaker = 0;
  for (size_t i = 0; i < family.size(); ++i) {
    const PolicyOutcome& row = policy.outcomes[family[i]->policy];
    if (row.primary) speaker = i;
    const bool seen = shows_harm(row.outcome, family[i]->inference) && adjusted[i] <= kAlarmLevel;
    if (seen && (!clearest || adjusted[i] < adjusted[*clearest])) clearest = i;
  }
  const PolicyOutcome& named = policy.outcomes[family[clearest.value_or(speaker)]->policy];
  return {std::string(dimension), named.task, std::string(named.outcome.name),
          clearest.has_value()};
}

// The results of one variant: they stand together, as many as the policy has outcomes.
std::span<const Result> results_of(size_t variant, std::span<const Result> results,
                                   const Policy& policy) {
  return results.subspan(variant * policy.outcomes.size(), policy.outcomes.size());
}

PositiveControlReport report_positive(size_t variant, std::span<const Result> results,
                                      const Policy& policy) {
  PositiveControlReport report{variant, {}};
  for (const std::string_view dimension : dimensions_of(policy)) {
    report.dimensions.push_back(detect(dimension, results_of(variant, results, policy), policy));
  }
  return report;
}

class Sensitivity {
 public:
  Sensitivity(const StudyAnswers& study, const Policy& policy, std::span<const Result> results,
              std::span<const PositiveControlReport> positive)
      : policy_(policy), has_positive_(!positive.empty()) {
    for (const PositiveControlReport& report : positive) {
      for (const DetectedDimension& dimension : report.dimensions) {
        if (dimension.detected) detected_.insert(dimension.dimension);
      }
    }
    for (const Result& result : results) {
      const VariantAnswers& variant = study.variants[result.variant];
      const Outcome& outcome = policy.outcomes[result.policy].outcome;
      if (variant.control == Control::kNegative && shows_harm(outcome, result.inference) &&
          decide_by_interval(outcome, result.inference).verdict != Verdict::kNonInferior) {
        moved_.insert({result.policy, variant.name});
      }
    }
  }

  // Why the outcome cannot be decided for any variant.
  std::optional<std::string> problem(size_t outcome, const Inference& inference) const {
    const PolicyOutcome& row = policy_.outcomes[outcome];
    if (auto floor = floor_problem(row.outcome, inference)) return floor;
    if (!has_positive_) return "the study has no positive control";
    if (!detected_.contains(row.outcome.dimension)) {
      return fmt::format("the positive control was not detected on {}", row.outcome.dimension);
    }
    const auto moved = moved_.lower_bound({outcome, ""});
    if (moved != moved_.end() && moved->first == outcome) {
      return fmt::format("the negative control {} did not come out unchanged", moved->second);
    }
    return std::nullopt;
  }

 private:
  const Policy& policy_;
  bool has_positive_ = false;
  std::set<std::string, std::less<>> detected_;  // dimensions
  std::set<std::pair<size_t, std::string>> moved_;
};

NegativeControlReport report_negative(size_t variant, const StudyAnswers& study,
                                      std::span<const std::vector<size_t>> alignments,
                                      std::span<const Result> results, const Policy& policy) {
  NegativeControlReport report{variant, {}};
  for (size_t t = 0; t < study.tasks.size(); ++t) {
    const auto task = check_unchanged(study.tasks[t].task, study.base[t],
                                      study.variants[variant].tasks[t], alignments[t]);
    report.control.num_flips += task.num_flips;
    report.control.max_delta_log_likelihood =
        std::max(report.control.max_delta_log_likelihood, task.max_delta_log_likelihood);
    for (const std::string& reason : task.reasons) report.control.reasons.push_back(reason);
  }
  for (const Result& result : results_of(variant, results, policy)) {
    const PolicyOutcome& row = policy.outcomes[result.policy];
    const bool is_asked = result.inference.num_items > 0 || result.unscored.either > 0;
    if (is_descriptive(row.outcome) || !is_asked) continue;
    const auto decision = decide_by_interval(row.outcome, result.inference);
    if (decision.verdict == Verdict::kNonInferior) continue;
    report.control.reasons.push_back(fmt::format("{} {}: {}, {}", row.task, row.outcome.name,
                                                 to_string(decision.verdict), decision.reason));
  }
  return report;
}

}  // namespace

StudyComparison compare_study(const StudyAnswers& study, const Policy& policy) {
  const auto places = places_of(study, policy);
  require(study.base.size() == study.tasks.size(), "the base answered ", study.base.size(), " of ",
          study.tasks.size(), " tasks");
  StudyComparison comparison;
  std::vector<std::vector<std::vector<size_t>>> alignments;  // variant, task, item
  for (size_t v = 0; v < study.variants.size(); ++v) {
    const VariantAnswers& variant = study.variants[v];
    require(variant.tasks.size() == study.tasks.size(), variant.name, " answered ",
            variant.tasks.size(), " of ", study.tasks.size(), " tasks");
    auto& aligned = alignments.emplace_back();
    for (size_t t = 0; t < study.tasks.size(); ++t) {
      aligned.push_back(in_context(variant.name + ": " + study.tasks[t].task,
                                   [&] { return align(study.base[t], variant.tasks[t]); }));
      for (const FlippedItem& item : flipped_items(study.base[t], variant.tasks[t], aligned[t])) {
        comparison.flipped.push_back({v, t, item});
      }
    }
    const size_t first = comparison.results.size();
    for (size_t i = 0; i < places.size(); ++i) {
      const auto t = places[i].task, o = places[i].outcome;
      auto result = in_context(variant.name + ": " + study.tasks[t].task, [&] {
        return compare_outcome(policy.outcomes[i].outcome, o, study.base[t], variant.tasks[t],
                               aligned[t], study.seed);
      });
      result.variant = v;
      result.policy = i;
      comparison.results.push_back(std::move(result));
    }
    adjust(std::span(comparison.results).subspan(first), policy);
  }

  for (size_t v = 0; v < study.variants.size(); ++v) {
    if (study.variants[v].control == Control::kPositive) {
      comparison.positive.push_back(report_positive(v, comparison.results, policy));
    } else if (study.variants[v].control == Control::kNegative) {
      comparison.negative.push_back(
          report_negative(v, study, alignments[v], comparison.results, policy));
    }
  }
  const Sensitivity sensitivity(study, policy, comparison.results, comparison.positive);
  for (Result& result : comparison.results) {
    const PolicyOutcome& row = policy.outcomes[result.policy];
    std::optional<std::string> not_interpretable;
    const auto found = study.not_interpretable.find(row.task);
    if (found != study.not_interpretable.end()) not_interpretable = found->second;
    result.decision = decide(row.outcome, result.inference, not_interpretable,
                             sensitivity.problem(result.policy, result.inference));
  }
  return comparison;
}

}  // namespace assay
