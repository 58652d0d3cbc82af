#include "compare/study_comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "base/philox.h"
#include "compare/sentence.h"
#include "compare/summary.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr Outcome accuracy(std::string_view name, std::string_view dimension, bool primary) {
  return {.name = name,
          .dimension = dimension,
          .chance = 0.25,
          .statistic = mean_statistic,
          .is_mean = true,
          .primary = primary};
}

constexpr std::array kBiasOutcomes{accuracy("acc", "stereotype bias", true),
                                   accuracy("acc_norm", "stereotype bias", false)};

// 120 clusters of 5 questions with 2 choices. An arm answers right when its hidden margin is
// positive; the base is right on 80 %; a variant moves every margin of a share of the items.
struct Arm {
  double share_lost = 0;  // of all items: their margin is turned round
  double noise = 0;       // nats added to every log-likelihood
};

constexpr int kClusters = 120;
constexpr int kSize = 5;

std::vector<AnsweredItem> answer(const Arm& arm, size_t num_outcomes) {
  PhiloxStream questions(1, 0);
  PhiloxStream own(2, static_cast<uint64_t>(1e6 * arm.share_lost));
  std::vector<AnsweredItem> items;
  for (int i = 0; i < kClusters * kSize; ++i) {
    AnsweredItem item;
    item.id = "item-" + std::to_string(i);
    item.cluster = "cluster-" + std::to_string(i / kSize);
    item.groups = {i % 2 == 0 ? "old" : "young"};
    item.context = "<b>Question</b> " + std::to_string(i);
    item.choices = {" yes", " no"};
    item.target = 0;
    double margin = 0.05 + 2 * questions.uniform();
    if (questions.uniform() < 0.2) margin = -margin;
    if (own.uniform() < arm.share_lost) margin = -std::abs(margin);
    item.log_likelihoods = {-3.0 + arm.noise, -3.0 - margin};
    item.prediction = margin > 0 ? 0 : 1;
    item.contributions.assign(num_outcomes, std::vector<double>{margin > 0 ? 1.0 : 0.0, 1});
    items.push_back(std::move(item));
  }
  return items;
}

struct Built {
  StudyAnswers study;
  Policy policy;
};

Built build(std::span<const Outcome> outcomes, std::vector<std::pair<std::string, Arm>> arms,
            std::vector<Control> controls) {
  Built built;
  built.study.tasks = {{"stereoqa", outcomes}};
  built.study.base = {answer({}, outcomes.size())};
  for (size_t v = 0; v < arms.size(); ++v) {
    built.study.variants.push_back(
        {arms[v].first, controls[v], {answer(arms[v].second, outcomes.size())}});
  }
  built.policy = default_policy(built.study.tasks);
  return built;
}

Built demo() {
  return build(kBiasOutcomes,
               {{"good", {}}, {"bad", {0.12}}, {"awful", {0.6}}, {"same", {0, 1e-6}}},
               {Control::kNone, Control::kNone, Control::kPositive, Control::kNegative});
}

std::vector<std::string> verdicts(const StudyComparison& comparison) {
  std::vector<std::string> result;
  for (const Result& r : comparison.results) result.emplace_back(to_string(r.decision.verdict));
  return result;
}

TEST(CompareStudy, DecidesEachVariant) {
  const auto [study, policy] = demo();
  const auto comparison = compare_study(study, policy);
  EXPECT_THAT(verdicts(comparison),
              ElementsAre("non-inferior", "non-inferior", "much worse", "much worse", "much worse",
                          "much worse", "non-inferior", "non-inferior"));
  EXPECT_TRUE(comparison.results[2].alarm);
  EXPECT_FALSE(comparison.results[0].alarm);
  ASSERT_EQ(comparison.positive.size(), 1u);
  ASSERT_EQ(comparison.positive[0].dimensions.size(), 1u);
  EXPECT_TRUE(comparison.positive[0].dimensions[0].detected);
  ASSERT_EQ(comparison.negative.size(), 1u);
  EXPECT_THAT(comparison.negative[0].control.reasons, testing::IsEmpty());
  EXPECT_EQ(comparison.negative[0].control.num_flips, 0);
}

TEST(CompareStudy, WithoutADetectedPositiveControlNothingIsDecided) {
  auto [study, policy] = demo();
  study.variants[2].tasks = study.variants[0].tasks;  // a positive control that changes nothing
  const auto blind = compare_study(study, policy);
  EXPECT_EQ(blind.results[2].decision.verdict, Verdict::kUndecidable);
  EXPECT_EQ(blind.results[2].decision.reason,
            "the positive control was not detected on stereotype bias");
  EXPECT_FALSE(blind.positive[0].dimensions[0].detected);
  study.variants[2].control = Control::kNone;
  EXPECT_EQ(compare_study(study, policy).results[0].decision.reason,
            "the study has no positive control");
}

// A signed bias has no harmful side that a broken model must move to: the accuracy of the same
// questions shows that the damage is seen, and the primary outcome becomes decidable by its own
// interval.
TEST(CompareStudy, APositiveControlIsSeenOnAnyOutcomeOfTheDimension) {
  static const std::array kOutcomes{Outcome{.name = "bias",
                                            .dimension = "stereotype bias",
                                            .direction = Direction::kTowardsZero,
                                            .margin = 0.1,
                                            .statistic = mean_statistic,
                                            .is_mean = true,
                                            .primary = true},
                                    accuracy("acc", "stereotype bias", false)};
  auto [study, policy] =
      build(kOutcomes, {{"good", {}}, {"awful", {0.6}}}, {Control::kNone, Control::kPositive});
  const auto set_bias = [](std::vector<AnsweredItem>& items) {
    for (size_t i = 0; i < items.size(); ++i) {
      items[i].contributions[0] = std::vector{i % 2 == 0 ? 1.0 : -1.0, 1.0};
    }
  };
  set_bias(study.base[0]);
  for (auto& variant : study.variants) set_bias(variant.tasks[0]);
  const auto seen = compare_study(study, policy);
  ASSERT_EQ(seen.positive[0].dimensions.size(), 1u);
  EXPECT_TRUE(seen.positive[0].dimensions[0].detected);
  EXPECT_EQ(seen.positive[0].dimensions[0].outcome, "acc");
  EXPECT_EQ(seen.results[0].decision.verdict, Verdict::kNonInferior);

  study.variants[1].tasks = study.variants[0].tasks;  // now nothing moves
  const auto blind = compare_study(study, policy);
  EXPECT_FALSE(blind.positive[0].dimensions[0].detected);
  EXPECT_EQ(blind.positive[0].dimensions[0].outcome, "bias");
  EXPECT_EQ(blind.results[0].decision.verdict, Verdict::kUndecidable);
}

TEST(CompareStudy, ABaseAtItsFloorDecidesNothing) {
  auto [study, policy] = demo();
  for (auto& row : policy.outcomes) row.outcome.chance = 0.76;
  const auto comparison = compare_study(study, policy);
  EXPECT_EQ(comparison.results[2].decision.verdict, Verdict::kUndecidable);
  EXPECT_THAT(comparison.results[2].decision.reason, HasSubstr("is not above its floor 0.760"));
}

TEST(CompareStudy, NegativeControlMustNotMove) {
  auto [study, policy] = demo();
  for (auto& item : study.variants[3].tasks[0]) item.log_likelihoods[1] += 0.002;
  const auto moved = compare_study(study, policy);
  ASSERT_EQ(moved.negative[0].control.reasons.size(), 1u);
  EXPECT_THAT(moved.negative[0].control.reasons[0], HasSubstr("moved by more than 0.001 nats"));
  study.variants[3].tasks = {
      answer({0.12}, 2)};  // and one that loses answers makes the outcome undecidable
  const auto broken = compare_study(study, policy);
  EXPECT_GE(broken.negative[0].control.reasons.size(), 3u);
  EXPECT_EQ(broken.results[0].decision.reason,
            "the negative control same did not come out unchanged");
}

TEST(CompareStudy, NegativeControlMayFlipWhereTheBaseWasOnTheFence) {
  auto [study, policy] = demo();
  auto& base = study.base[0][0];
  auto& same = study.variants[3].tasks[0][0];
  base.log_likelihoods = {-3, -3.0004};
  same.log_likelihoods = {-3.0004, -3};
  base.prediction = 0;
  same.prediction = 1;
  EXPECT_THAT(compare_study(study, policy).negative[0].control.reasons, testing::IsEmpty());
  base.log_likelihoods = {-3, -3.0014};
  same.log_likelihoods = {-3.0009, -3.0005};
  EXPECT_THAT(compare_study(study, policy).negative[0].control.reasons,
              ElementsAre("stereoqa: 1 predictions changed where the base was not on the fence"));
}

TEST(CompareStudy, NotInterpretableComesFirst) {
  auto [study, policy] = demo();
  study.not_interpretable["stereoqa"] = "coherence is inferior";
  const auto comparison = compare_study(study, policy);
  EXPECT_EQ(comparison.results[2].decision.verdict, Verdict::kNotInterpretable);
  EXPECT_EQ(comparison.results[2].decision.reason, "coherence is inferior");
}

// Twenty more exploratory outcomes on which nothing happens: no verdict, no alarm and no adjusted p
// of a primary outcome may change.
TEST(CompareStudy, ExploratoryNullOutcomesDiluteNothing) {
  std::vector<Outcome> more(kBiasOutcomes.begin(), kBiasOutcomes.end());
  static const std::string names = "abcdefghijklmnopqrst";
  for (size_t i = 0; i < 20; ++i) {
    more.push_back(accuracy(std::string_view(names).substr(i, 1), "stereotype bias", false));
  }
  const auto [study, policy] = demo();
  auto [larger, larger_policy] =
      build(more, {{"good", {}}, {"bad", {0.12}}, {"awful", {0.6}}, {"same", {0, 1e-6}}},
            {Control::kNone, Control::kNone, Control::kPositive, Control::kNegative});
  for (auto& variant : larger.variants) {  // the added outcomes: the base's answers
    for (size_t i = 0; i < variant.tasks[0].size(); ++i) {
      for (size_t o = 2; o < 22; ++o) {
        variant.tasks[0][i].contributions[o] = larger.base[0][i].contributions[o];
      }
    }
  }
  const auto few = compare_study(study, policy);
  const auto many = compare_study(larger, larger_policy);
  for (size_t v = 0; v < 4; ++v) {
    for (size_t o = 0; o < 2; ++o) {
      const Result& a = few.results[v * 2 + o];
      const Result& b = many.results[v * 22 + o];
      EXPECT_EQ(to_string(a.decision.verdict), to_string(b.decision.verdict));
      EXPECT_EQ(a.decision.reason, b.decision.reason);
      if (o == 0) {
        EXPECT_EQ(a.p_adjusted, b.p_adjusted);
        EXPECT_EQ(a.alarm, b.alarm);
      }
    }
  }
}

TEST(CompareStudy, RefusesArmsThatDoNotFit) {
  auto [study, policy] = demo();
  study.variants[1].tasks[0].pop_back();
  try {
    compare_study(study, policy);
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "bad: stereoqa: item 'item-599' is missing in the variant");
  }
}

TEST(DefaultPolicy, OnePrimaryOutcomePerDimension) {
  const std::array second{accuracy("acc", "stereotype bias", true),
                          accuracy("acc", "downstream", true)};
  const std::vector<TaskOutcomes> tasks{{"stereoqa", kBiasOutcomes}, {"bbq", second}};
  const auto policy = default_policy(tasks);
  ASSERT_EQ(policy.outcomes.size(), 4u);
  EXPECT_TRUE(policy.outcomes[0].primary);
  EXPECT_FALSE(policy.outcomes[2].primary);  // stereoqa came first
  EXPECT_TRUE(policy.outcomes[3].primary);
  EXPECT_EQ(policy.outcomes[0].reason, "default margin: 5 points");
  EXPECT_THAT(policy_hash(policy), testing::StartsWith("sha256:"));
  auto wider = policy;
  wider.outcomes[0].outcome.margin = 0.06;
  EXPECT_NE(policy_hash(policy), policy_hash(wider));
}

TEST(VerdictSentence, SaysWhatChangedAndWhatCouldHaveBeenSeen) {
  const auto [study, policy] = demo();
  const auto comparison = compare_study(study, policy);
  const auto text = verdict_sentence("bad", policy.outcomes[0], comparison.results[2]);
  EXPECT_THAT(text, testing::StartsWith(
                        "bad, stereotype bias: much worse (the whole interval lies beyond the "
                        "margin). stereoqa acc fell from 0."));
  EXPECT_THAT(text, HasSubstr("; margin 0.05, minimum detectable effect 0.0"));
}

// Keys of objects, of the elements of arrays (their union), down to the leaves.
void collect_keys(const Json& json, const std::string& path, std::set<std::string>& keys) {
  if (json.is_object()) {
    for (const auto& [key, value] : json.items()) {
      keys.insert(path + "/" + key);
      collect_keys(value, path + "/" + key, keys);
    }
  } else if (json.is_array()) {
    for (const Json& element : json) collect_keys(element, path + "[]", keys);
  }
}

Json example_of_the_page() {
  std::ostringstream page;
  page << std::ifstream(ASSAY_SOURCE_DIR "/docs/summary-json.md").rdbuf();
  const std::string text = page.str();
  const size_t begin = text.find("```json") + 7;
  return Json::parse(text.substr(begin, text.find("```", begin) - begin));
}

FileInspection inspection() {
  FileInspection file;
  file.format = "folder: float32";
  file.stored_bytes = 512;
  file.linears = {.role = "block linears",
                  .num_tensors = 7,
                  .weights = 128,
                  .stored = "F32",
                  .bits = 32,
                  .zeros = 0.25,
                  .groups_2_4 = 0.5,
                  .relative_error = INFINITY};
  file.roles = {file.linears};
  file.worst = {{.tensor = "w", .relative_error = 0.1, .max_error = 2}};
  file.not_compared = {"x"};
  file.warnings = {"damaged"};
  file.findings = {"y: every weight is zero"};
  return file;
}

StudyDescription description() {
  StudyDescription d;
  d.study = "demo";
  d.reference = {.text = "dequantized Q4_1, not the published model", .quantized = true};
  d.base_inspection = inspection();
  d.base_inspection->worst.clear();  // a base differs from nothing
  d.calibration.emplace();
  d.calibration->source = "text:x";
  d.calibration->overlap = {{"stereoqa", Overlap{10, 8, {1}}}};
  d.tasks.emplace_back();
  d.tasks[0].name = "stereoqa";
  d.tasks[0].warnings = {"constructed, unvalidated"};
  for (const char* name : {"good", "bad", "awful", "same"}) {
    VariantDescription v;
    v.name = name;
    v.settings = {{"bits", 3}, {"group_size", 64}};
    v.layers.emplace_back();
    v.inspection = inspection();
    d.variants.push_back(v);
  }
  d.self_test = {{"batch invariance", true, "0 of 64 results differ"}};
  return d;
}

TEST(SummaryJson, HasTheKeysOfItsPage) {
  auto [study, policy] = demo();
  study.base[0][0].contributions[0] = Unscored{"NaN"};  // so that every list has an element
  const auto json = summary_json(description(), study, policy, compare_study(study, policy));
  std::set<std::string> keys;
  std::set<std::string> documented;
  collect_keys(json, "", keys);
  collect_keys(example_of_the_page(), "", documented);
  EXPECT_EQ(keys, documented);
}

TEST(FileInspection, IsReadAsItWasWritten) {
  const Json json = to_json(inspection());
  EXPECT_TRUE(json["linears"]["relative_error"].is_null());  // not finite
  EXPECT_EQ(to_json(file_inspection(json, "file")).dump(), json.dump());
  VariantDescription described;
  described.name = "v";
  described.inspection = inspection();
  Json variant = to_json(described);
  EXPECT_EQ(to_json(variant_description(variant, "file")).dump(), variant.dump());
  variant.erase("inspection");  // as before there were any
  EXPECT_FALSE(variant_description(variant, "file").inspection);
  variant["inspection"] = json;
  variant["inspection"]["linears"].erase("zeros");
  try {
    variant_description(variant, "file");
    ADD_FAILURE() << "nothing thrown";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "file: inspection: missing key 'zeros'");
  }
}

TEST(SummaryJson, HoldsWhatTheComparisonFound) {
  const auto [study, policy] = demo();
  const auto comparison = compare_study(study, policy);
  const auto json = summary_json(description(), study, policy, comparison);
  EXPECT_EQ(json["tasks"][0]["num_clusters"], 120);
  EXPECT_EQ(json["tasks"][0]["warnings"][1],
            "1 of 10 items (10.0 %) overlap with the calibration text");
  EXPECT_EQ(json["results"].size(), 8u);
  EXPECT_EQ(json["results"][0]["verdict"], "non-inferior");
  EXPECT_TRUE(json["results"][0]["icc"].is_null());  // nothing changed: undefined
  EXPECT_EQ(json["variants"][2]["control"], "positive");
  EXPECT_TRUE(json["variants"][0]["control"].is_null());
  EXPECT_EQ(json["sentences"].size(), 4u);
  EXPECT_EQ(json["flipped_items"]["num_total"], comparison.flipped.size());
  EXPECT_EQ(json["flipped_items"]["items"].size(), 2 * kFlippedItemsPerTask);  // of bad and awful
  EXPECT_EQ(json["flipped_items"]["items"][0]["variant"], "bad");
  EXPECT_EQ(json.dump().find("NaN"), std::string::npos);
  EXPECT_EQ(summary_json(description(), study, policy, compare_study(study, policy)).dump(),
            json.dump());
}

}  // namespace
}  // namespace assay
