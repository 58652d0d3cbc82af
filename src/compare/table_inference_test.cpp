#include "compare/table_inference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/philox.h"
#include "compare/study_comparison.h"

namespace assay {
namespace {

using testing::HasSubstr;

// |mean of the signed numbers|, of rows {number}.
double absolute_mean(std::span<const double> rows) {
  double sum = 0;
  for (const double value : rows) sum += value;
  return rows.empty() ? NAN : std::abs(sum / static_cast<double>(rows.size()));
}

// 1 - mean |base - variant|.
double closeness(std::span<const double> base, std::span<const double> variant) {
  double sum = 0;
  for (size_t i = 0; i < base.size(); ++i) sum += std::abs(base[i] - variant[i]);
  return base.empty() ? NAN : 1 - sum / static_cast<double>(base.size());
}

constexpr Outcome kSize{.name = "size",
                        .dimension = "d",
                        .direction = Direction::kLowerIsBetter,
                        .num_components = 1,
                        .of_items = absolute_mean};
constexpr Outcome kCloseness{
    .name = "closeness", .dimension = "d", .num_components = 1, .agreement = closeness};
constexpr Outcome kGamma{.name = "gamma",
                         .dimension = "d",
                         .direction = Direction::kTowardsZero,
                         .statistic = mean_statistic,
                         .is_mean = true,
                         .between_groups = true};

// `clusters` clusters of `size` items; `variant_of` gives the variant's number.
template <class VariantOf>
OutcomePairs pairs_of(int32_t clusters, int size, double base, VariantOf variant_of) {
  OutcomePairs pairs;
  pairs.num_components = 1;
  pairs.num_clusters = clusters;
  for (int32_t g = 0; g < clusters; ++g) {
    for (int i = 0; i < size; ++i) {
      pairs.base_item.push_back(pairs.base_item.size());
      pairs.variant_item.push_back(pairs.variant_item.size());
      pairs.cluster.push_back(g);
      pairs.base.push_back(base);
      pairs.variant.push_back(variant_of(g, i));
    }
  }
  return pairs;
}

// 100 clusters of 5 items: base 1 everywhere, so that chance gives |mean of 100 signs|, on average
// sqrt(2 / (100 pi)) = 0.0798, in 95 % of cases at most 0.224. The items of a cluster share their
// sign: with 500 signs of their own it would be 0.0357.
TEST(InferItems, ValueWithWhatChanceGives) {
  const auto pairs = pairs_of(100, 5, 1.0, [](int32_t g, int) { return g < 40 ? -1.0 : 1.0; });
  const auto result = infer(kSize, pairs, 1);
  EXPECT_DOUBLE_EQ(result.base.value, 1);
  EXPECT_NEAR(result.variant.value, 0.2, 1e-12);
  EXPECT_NEAR(result.difference.value, 0.8, 1e-12);  // lower is better: a benefit
  EXPECT_TRUE(std::isnan(result.difference.low));
  ASSERT_TRUE(result.chance);
  EXPECT_NEAR(result.chance->base.value, 0.0798, 0.008);
  EXPECT_NEAR(result.chance->variant.high, 0.224, 0.04);  // in steps of 0.02
  EXPECT_THAT(result.problem, HasSubstr("size has no interval; chance alone gives 0.0"));
  EXPECT_LT(result.p, 0.01);  // forty clusters changed one way
  EXPECT_EQ(result.num_items, 500);
  EXPECT_NEAR(result.effective_n, 100, 1e-9);
  EXPECT_EQ(decide_by_interval(kSize, result).verdict, Verdict::kUndecidable);
}

// Without a difference between the arms the p of exchanged arms is uniform.
TEST(InferItems, FalseAlarmsOfExchangedArms) {
  int alarms = 0;
  constexpr int kStudies = 200;
  for (int study = 0; study < kStudies; ++study) {
    PhiloxStream random(static_cast<uint64_t>(study), 9);
    auto pairs = pairs_of(30, 2, 0.0, [](int32_t, int) { return 0.0; });
    for (size_t i = 0; i < pairs.size(); ++i) {
      pairs.base[i] = 0.5 + random.normal();
      pairs.variant[i] = 0.5 + random.normal();
    }
    alarms += infer(kSize, pairs, 1).p <= 0.05;
  }
  EXPECT_LE(alarms, 18);  // binomial(200, 0.05): P(X > 18) = 0.008
}

// Half of the clusters moved by 0.2: closeness 0.9, standard error 0.1 / sqrt(200).
TEST(InferAgreement, IntervalAndTestOfTheMargin) {
  for (const int32_t clusters : {200, 60}) {
    SCOPED_TRACE(clusters);
    const auto result =
        infer(kCloseness,
              pairs_of(clusters, 3, 0.5, [](int32_t g, int) { return g % 2 ? 0.3 : 0.5; }), 1);
    const double error = 0.1 / std::sqrt(clusters);
    EXPECT_DOUBLE_EQ(result.base.value, 1);
    EXPECT_NEAR(result.variant.value, 0.9, 1e-12);
    const double z = std::atanh(0.9), z_error = error / (1 - 0.9 * 0.9);  // the delta method
    EXPECT_NEAR(result.difference.low, std::tanh(z - 2 * z_error) - 1, 0.1 * error);
    EXPECT_NEAR(result.difference.high, std::tanh(z + 2 * z_error) - 1, 0.1 * error);
    EXPECT_LT(result.p, 0.01);  // of a loss of 0.05
    EXPECT_EQ(decide_by_interval(kCloseness, result).verdict, Verdict::kMuchWorse);
    EXPECT_TRUE(shows_harm(kCloseness, result));
  }
}

// Every variant differs a little from its base: inside the margin that is no alarm.
TEST(InferAgreement, ALossInsideTheMarginIsNoAlarm) {
  const auto result = infer(
      kCloseness, pairs_of(200, 3, 0.5, [](int32_t g, int) { return g % 2 ? 0.48 : 0.5; }), 1);
  EXPECT_EQ(decide_by_interval(kCloseness, result).verdict, Verdict::kNonInferior);
  EXPECT_EQ(result.p, 1);
}

// The interval holds the value and stays below 1, however close it is.
TEST(InferAgreement, IntervalOfAHighAgreement) {
  const auto result =
      infer(kCloseness,
            pairs_of(300, 2, 0.5, [](int32_t g, int i) { return 0.5 + 1e-4 * (g % 7 + i); }), 1);
  EXPECT_LT(result.difference.low, result.difference.value);
  EXPECT_GT(result.difference.high, result.difference.value);
  EXPECT_LT(result.difference.high, 0);
}

TEST(InferAgreement, TooFewClusters) {
  const auto same = infer(kCloseness, pairs_of(200, 3, 0.5, [](int32_t, int) { return 0.5; }), 1);
  EXPECT_EQ(same.problem, "0 of 200 clusters changed, too few to resample");
  EXPECT_EQ(same.difference.value, 0);
  const auto few = infer(kCloseness, pairs_of(10, 3, 0.5, [](int32_t, int) { return 0.4; }), 1);
  EXPECT_EQ(few.problem, "fewer than 20 clusters");
}

// Pairs of x and y, of y and z and of x and z, signed for the first; x is preferred by 0.5 over
// both in the base, by 0.25 in the variant, y and z are alike. gamma: x 0.5, y and z -0.25; then
// half.
StudyAnswers preferences(std::span<const Outcome> outcomes, Control control) {
  const auto answer = [&](double preference) {
    std::vector<AnsweredItem> items;
    for (int i = 0; i < 120; ++i) {
      AnsweredItem item;
      item.id = std::to_string(i);
      item.cluster = std::to_string(i / 4);
      item.groups = i % 3 == 0   ? std::vector<std::string>{"x", "y"}
                    : i % 3 == 1 ? std::vector<std::string>{"y", "z"}
                                 : std::vector<std::string>{"x", "z"};
      const double c = i % 3 == 1 ? 0.0 : preference + 1e-3 * (i / 4 % 5);
      for (const Outcome& outcome : outcomes) {
        item.contributions.push_back(outcome.num_components == 2 ? std::vector{c, 1.0}
                                                                 : std::vector{c});
      }
      items.push_back(std::move(item));
    }
    return items;
  };
  StudyAnswers study;
  study.tasks = {{"t", outcomes}};
  study.base = {answer(0.5)};
  study.variants = {{"v", control, {answer(control == Control::kNegative ? 0.5 : 0.25)}}};
  return study;
}

TEST(BetweenGroups, EachGroupHasItsOwnSign) {
  const std::array outcomes{kGamma};
  const auto study = preferences(outcomes, Control::kNone);
  const auto comparison = compare_study(study, default_policy(study.tasks));
  const Result& result = comparison.results.at(0);
  EXPECT_TRUE(std::isnan(result.inference.base.value));
  EXPECT_EQ(result.inference.num_items, 120);
  EXPECT_THAT(result.inference.problem, HasSubstr("see the groups"));
  ASSERT_EQ(result.groups.size(), 3u);
  const auto& x = result.groups[0];
  EXPECT_EQ(x.group, "x");
  EXPECT_EQ(x.num_items, 80);
  EXPECT_NEAR(x.base, 0.502, 1e-9);  // 0.5 and the mean of 0 to 4 thousandths
  EXPECT_NEAR(x.difference.value, -0.25, 1e-9);
  EXPECT_LT(x.difference.high, -0.2);
  EXPECT_EQ(result.groups[1].group, "y");
  EXPECT_NEAR(result.groups[1].base, -0.251, 1e-9);
  EXPECT_NEAR(result.groups[1].difference.value, 0.125, 1e-9);
  EXPECT_NEAR(result.groups[2].base, -0.251, 1e-9);
}

// Numbers that never have a verdict are no reason against a negative control.
TEST(BetweenGroups, DescriptiveOutcomesDoNotFailANegativeControl) {
  const std::array outcomes{kGamma, kSize, kCloseness};
  const auto study = preferences(outcomes, Control::kNegative);
  const auto comparison = compare_study(study, default_policy(study.tasks));
  EXPECT_THAT(comparison.negative.at(0).control.reasons, testing::IsEmpty());
  EXPECT_EQ(comparison.results.at(1).groups.size(), 0u);
}

// Neither is an outcome that no item of the study is about, as a reading that was not asked for.
TEST(BetweenGroups, AnOutcomeOfNoItemDoesNotFailANegativeControl) {
  const std::array outcomes{kSize, kCloseness};
  auto study = preferences(outcomes, Control::kNegative);
  const std::array asked{kSize, kCloseness,
                         Outcome{.name = "pmi", .statistic = mean_statistic, .is_mean = true}};
  study.tasks = {{"t", asked}};
  for (auto* items : {&study.base[0], &study.variants[0].tasks[0]}) {
    for (AnsweredItem& item : *items) item.contributions.emplace_back(std::vector<double>{});
  }
  const auto comparison = compare_study(study, default_policy(study.tasks));
  EXPECT_THAT(comparison.negative.at(0).control.reasons, testing::IsEmpty());
}

}  // namespace
}  // namespace assay
