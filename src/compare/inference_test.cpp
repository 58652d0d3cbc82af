#include "compare/inference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "base/error.h"
#include "base/json.h"
#include "base/philox.h"
#include "compare/difference.h"
#include "compare/verdict.h"

namespace assay {
namespace {

using testing::HasSubstr;

double exp_mean(std::span<const double> s) { return s[1] == 0 ? NAN : std::exp(s[0] / s[1]); }
double product(std::span<const double> s) { return s[2] == 0 ? NAN : s[0] * s[1] / (s[2] * s[2]); }

constexpr Outcome kAccuracy{
    .name = "acc", .dimension = "bias", .chance = {}, .statistic = mean_statistic, .is_mean = true};
constexpr Outcome kToxicity{.name = "toxicity",
                            .dimension = "toxicity",
                            .direction = Direction::kLowerIsBetter,
                            .chance = {},
                            .statistic = mean_statistic,
                            .is_mean = true};
constexpr Outcome kPerplexity{.name = "perplexity",
                              .dimension = "language modelling",
                              .direction = Direction::kLowerIsBetter,
                              .scale = Scale::kRatio,
                              .margin = 1.10,
                              .chance = {},
                              .statistic = exp_mean};
constexpr Outcome kBias{.name = "s",
                        .dimension = "bias",
                        .direction = Direction::kTowardsZero,
                        .chance = {},
                        .num_components = 3,
                        .statistic = product};

// One pair after another: components of base and variant, and the cluster.
struct Builder {
  OutcomePairs pairs;
  explicit Builder(int64_t num_components) { pairs.num_components = num_components; }
  void add(int32_t cluster, std::vector<double> base, std::vector<double> variant) {
    pairs.base_item.push_back(pairs.base_item.size());
    pairs.variant_item.push_back(pairs.variant_item.size());
    pairs.cluster.push_back(cluster);
    pairs.num_clusters = std::max<int64_t>(pairs.num_clusters, cluster + 1);
    pairs.base.insert(pairs.base.end(), base.begin(), base.end());
    pairs.variant.insert(pairs.variant.end(), variant.begin(), variant.end());
  }
};

// `clusters` clusters of `size` items, all right in the base, the first `lost` clusters all wrong
// in the variant.
OutcomePairs losses(int32_t clusters, int size, int32_t lost) {
  Builder builder(2);
  for (int32_t g = 0; g < clusters; ++g) {
    for (int i = 0; i < size; ++i) builder.add(g, {1, 1}, {g < lost ? 0.0 : 1.0, 1});
  }
  return builder.pairs;
}

TEST(Infer, MeanBySignFlips) {
  const auto result = infer(kAccuracy, losses(96, 10, 24), 1);
  EXPECT_DOUBLE_EQ(result.base.value, 1);
  EXPECT_DOUBLE_EQ(result.variant.value, 0.75);
  EXPECT_DOUBLE_EQ(result.difference.value, -0.25);
  EXPECT_LT(result.difference.high, -0.15);
  EXPECT_GT(result.difference.low, -0.36);
  EXPECT_LT(result.p, 1e-4);
  EXPECT_EQ(result.method, "cluster sign-flip, inverted (100000 vectors)");
  ASSERT_TRUE(result.cross_check);
  EXPECT_NEAR(result.cross_check->low, result.difference.low, 0.01);
  EXPECT_NEAR(result.cross_check->high, result.difference.high, 0.01);
  EXPECT_DOUBLE_EQ(result.icc, 1);  // whole clusters flip
  EXPECT_NEAR(result.effective_n, 96, 1e-9);
  EXPECT_EQ(result.num_items, 960);
  EXPECT_DOUBLE_EQ(result.largest_cluster_share, 10.0 / 960);
  EXPECT_GT(result.mde, 0.1);
  // All answers of the base are right: the exact bound by clusters, 0.025^(1/96).
  EXPECT_NEAR(result.base.low, std::pow(0.025, 1.0 / 96), 1e-12);
  EXPECT_DOUBLE_EQ(result.base.high, 1);
}

TEST(Infer, LowerIsBetterTurnsTheDifferenceRound) {
  const auto pairs = losses(40, 2, 10);
  const auto accuracy = infer(kAccuracy, pairs, 1);
  const auto toxicity = infer(kToxicity, pairs, 1);  // the rate falls: a benefit
  EXPECT_DOUBLE_EQ(toxicity.difference.value, 0.25);
  EXPECT_DOUBLE_EQ(toxicity.difference.low, -accuracy.difference.high);
  EXPECT_DOUBLE_EQ(toxicity.p, accuracy.p);
}

TEST(Infer, NothingChangedGivesTheExactBoundOfClusters) {
  const double bound = 1 - std::pow(0.025, 1.0 / 96);
  const auto result = infer(kAccuracy, losses(96, 10, 0), 1);
  EXPECT_DOUBLE_EQ(result.difference.value, 0);
  EXPECT_NEAR(result.difference.low, -bound, 1e-12);
  EXPECT_NEAR(result.difference.high, bound, 1e-12);
  EXPECT_DOUBLE_EQ(result.p, 1);
  EXPECT_TRUE(std::isnan(result.icc));
  EXPECT_DOUBLE_EQ(result.effective_n, 96);
  EXPECT_EQ(result.method, "exact bound, 0 of 96 clusters changed");
  EXPECT_GT(result.mde, bound);  // six changed clusters are rarer than none being seen
  EXPECT_FALSE(result.cross_check);
}

TEST(Infer, FewChangedClustersGiveTheExactBoundToo) {
  const auto five = infer(kAccuracy, losses(96, 1, 5), 1);
  EXPECT_EQ(five.method, "exact bound, 5 of 96 clusters changed");
  EXPECT_LT(five.difference.low, -0.1);
  EXPECT_GT(five.difference.high, 0);  // five losses in a row still have p 1/16
  EXPECT_NEAR(five.p, 1.0 / 16, 0.004);
  ASSERT_TRUE(five.cross_check);
  EXPECT_THAT(five.cross_check->method, HasSubstr("Tango"));
  const auto six = infer(kAccuracy, losses(96, 1, 6), 1);
  EXPECT_THAT(six.method, HasSubstr("sign-flip"));
  EXPECT_LT(six.difference.high, 0);
}

// Six losses of 237 independent items: signs alone give about (6 + 1.96 sqrt(6)) / 237 = 0.0456,
// inside the margin; the score interval, close to Wilson's of 6 / 237, reaches 0.0541.
TEST(Infer, FewLossesOfIndependentItemsWidenToTheScoreInterval) {
  const auto result = infer(kAccuracy, losses(237, 1, 6), 1);
  EXPECT_THAT(result.method, HasSubstr("widened to the score interval"));
  EXPECT_NEAR(result.difference.low, -0.0541, 0.0003);
  EXPECT_LT(result.difference.high, 0);
  EXPECT_NE(decide_by_interval(kAccuracy, result).verdict, Verdict::kNonInferior);
}

TEST(Infer, FiveClustersAreTooFew) {
  const auto result = infer(kAccuracy, losses(5, 100, 5), 1);
  EXPECT_DOUBLE_EQ(result.difference.value, -1);
  EXPECT_TRUE(std::isnan(result.difference.low));
  EXPECT_EQ(result.problem, "5 clusters, fewer than 6");
  EXPECT_EQ(decide_by_interval(kAccuracy, result).verdict, Verdict::kUndecidable);
}

TEST(Infer, NoPairs) {
  Builder empty(2);
  const auto result = infer(kAccuracy, empty.pairs, 1);
  EXPECT_EQ(result.problem, "no item was scored in both arms");
  EXPECT_TRUE(std::isnan(result.base.value));
}

// Twenty documents; the variant loses 0.05 to 0.15 nats a token: a ratio of exp(0.1) on average.
OutcomePairs documents(int num, double loss) {
  Builder builder(2);
  for (int g = 0; g < num; ++g) {
    const double tokens = 400 + 20 * (g % 5);
    const double nats = tokens * (3 + 0.05 * (g % 7));
    builder.add(g, {nats, tokens}, {nats + tokens * (loss + 0.005 * ((g * 7) % 11 - 5)), tokens});
  }
  return builder.pairs;
}

TEST(Infer, RatioOfPerplexities) {
  const auto result = infer(kPerplexity, documents(20, 0.1), 1);
  ASSERT_TRUE(result.ratio);
  EXPECT_NEAR(result.ratio->value, std::exp(0.1), 0.003);
  EXPECT_LT(result.ratio->low, result.ratio->value);
  EXPECT_GT(result.ratio->high, result.ratio->value);
  EXPECT_NEAR(std::log(result.ratio->value), -result.difference.value, 1e-12);  // negative is harm
  EXPECT_NEAR(std::log(result.ratio->high), -result.difference.low, 1e-12);
  EXPECT_NEAR(result.variant.value / result.base.value, result.ratio->value, 1e-12);
  EXPECT_LT(result.base.low, result.base.value);
  EXPECT_EQ(result.method, "cluster bootstrap-t (9999 resamples)");
  EXPECT_NEAR(margin_of(kPerplexity), std::log(1.1), 1e-15);
  EXPECT_EQ(infer(kPerplexity, documents(19, 0.1), 1).problem,
            "19 clusters, fewer than the 20 that perplexity needs");
}

TEST(Infer, SmoothStatisticWithoutChangeIsNotAnEmptyInterval) {
  Builder builder(3);
  for (int g = 0; g < 30; ++g) {
    const double a = 0.5 + 0.01 * (g % 5);
    builder.add(g, {a, 0.2 + 0.02 * (g % 3), 1}, {a, 0.2 + 0.02 * (g % 3), 1});
  }
  const auto result = infer(kBias, builder.pairs, 1);
  EXPECT_DOUBLE_EQ(result.difference.value, 0);
  EXPECT_LT(result.difference.low, 0);
  EXPECT_NEAR(result.difference.low, -result.difference.high, 1e-12);
  EXPECT_DOUBLE_EQ(result.p, 1);
  EXPECT_THAT(result.method, HasSubstr("linearised"));
}

// For a mean the linear part is the pair's own difference up to a factor: the same dependence
// either way.
TEST(Influences, OfAMeanAreTheDifferences) {
  Builder builder(2);
  PhiloxStream random(1, 1);
  for (int i = 0; i < 60; ++i) builder.add(i / 5, {random.normal(), 1}, {random.normal(), 1});
  Outcome by_gradient = kAccuracy;
  by_gradient.is_mean = false;
  const auto exact = influences(kAccuracy, builder.pairs);
  const auto linear = influences(by_gradient, builder.pairs);
  for (size_t i = 1; i < exact.size(); ++i) {  // the linear ones are centred: compare steps
    EXPECT_NEAR(60 * (linear[i] - linear[0]), exact[i] - exact[0], 1e-6);
  }
}

// Verdicts of the whole decision on real cluster sizes: a true loss of exactly the margin is called
// non-inferior in at most 2.5 % of studies, and no change is called worse in at most 2.5 %; also
// where only a few clusters change, which the exact bound decides. 600 studies: three standard
// errors of 2.5 % are 1.9 points.
TEST(Infer, WrongVerdictsAreRareWithRealClusterSizes) {
  const Json sizes =
      Json::parse(std::ifstream(ASSAY_SOURCE_DIR "/tests/golden/cluster_sizes.json"));
  for (const auto& [source, name] :
       {std::pair{"bbq", "Disability_status"}, std::pair{"packs", "dialect"}}) {
    for (const double flip_rate : {0.06, 0.2}) {
      SCOPED_TRACE(std::string(name) + " flips " + std::to_string(flip_rate));
      int falsely_non_inferior = 0;
      int falsely_worse = 0;
      for (uint64_t study = 0; study < 200; ++study) {
        PhiloxStream random(21, study);
        for (const double loss : {0.05, 0.0}) {
          Builder builder(2);
          int32_t g = 0;
          for (const int size : sizes.at(source).at(name)) {
            for (int i = 0; i < size; ++i) {
              const double u = random.uniform();
              const double flipped = u < (flip_rate + loss) / 2 ? 0 : u < flip_rate ? 1 : -1;
              builder.add(g, {flipped < 0 ? 1.0 : 1 - flipped, 1},
                          {flipped < 0 ? 1.0 : flipped, 1});
            }
            ++g;
          }
          const auto verdict =
              decide_by_interval(kAccuracy, infer(kAccuracy, builder.pairs, study)).verdict;
          if (loss > 0) {
            falsely_non_inferior += verdict == Verdict::kNonInferior;
          } else {
            falsely_worse += verdict == Verdict::kWorse || verdict == Verdict::kMuchWorse;
          }
        }
      }
      EXPECT_LE(falsely_non_inferior, 200 * (0.025 + 0.033));
      EXPECT_LE(falsely_worse, 200 * (0.025 + 0.033));
    }
  }
}

Inference with_interval(double low, double high, double base = 0.6, double variant = 0.55) {
  Inference inference;
  inference.base = {base, base - 0.02, base + 0.02};
  inference.variant = {variant, variant - 0.02, variant + 0.02};
  inference.difference = {(low + high) / 2, low, high};
  inference.effective_n = 500;
  return inference;
}

Verdict verdict_of(const Outcome& outcome, const Inference& inference) {
  return decide_by_interval(outcome, inference).verdict;
}

TEST(Verdict, OrderOfTheRules) {
  EXPECT_EQ(verdict_of(kAccuracy, with_interval(-0.04, 0.02)), Verdict::kNonInferior);
  EXPECT_EQ(verdict_of(kAccuracy, with_interval(-0.04, -0.01)), Verdict::kNonInferior);
  EXPECT_EQ(decide_by_interval(kAccuracy, with_interval(-0.04, -0.01)).reason,
            "smaller, within the margin");
  EXPECT_EQ(verdict_of(kAccuracy, with_interval(-0.08, -0.01)), Verdict::kWorse);
  EXPECT_EQ(verdict_of(kAccuracy, with_interval(-0.09, -0.06)), Verdict::kMuchWorse);
  EXPECT_EQ(verdict_of(kAccuracy, with_interval(-0.08, 0.01)), Verdict::kUndecidable);
  EXPECT_EQ(verdict_of(kAccuracy, with_interval(NAN, NAN)), Verdict::kUndecidable);
  auto few = with_interval(-0.01, 0.01);
  few.effective_n = 19;
  EXPECT_EQ(verdict_of(kAccuracy, few), Verdict::kUndecidable);
  const auto worse = with_interval(-0.08, -0.01);
  EXPECT_EQ(decide(kAccuracy, worse, "gibberish", "at chance").verdict, Verdict::kNotInterpretable);
  EXPECT_EQ(decide(kAccuracy, worse, std::nullopt, "at chance").verdict, Verdict::kUndecidable);
  EXPECT_EQ(decide(kAccuracy, worse, std::nullopt, "at chance").reason, "at chance");
  EXPECT_EQ(decide(kAccuracy, worse, std::nullopt, std::nullopt).verdict, Verdict::kWorse);
}

TEST(Verdict, SignedBiasIsTwoSided) {
  EXPECT_EQ(verdict_of(kBias, with_interval(-0.04, 0.04)), Verdict::kNonInferior);
  EXPECT_EQ(verdict_of(kBias, with_interval(-0.01, 0.07, 0.2, 0.23)), Verdict::kUndecidable);
  EXPECT_EQ(verdict_of(kBias, with_interval(0.01, 0.09, 0.2, 0.25)), Verdict::kWorse);
  EXPECT_EQ(verdict_of(kBias, with_interval(0.06, 0.14, 0.2, 0.3)), Verdict::kMuchWorse);
  EXPECT_EQ(verdict_of(kBias, with_interval(-0.14, -0.06, -0.2, -0.3)), Verdict::kMuchWorse);
  // Towards zero: no harm, but no equivalence; through zero and beyond: harm.
  EXPECT_EQ(verdict_of(kBias, with_interval(-0.14, -0.06, 0.2, 0.1)), Verdict::kUndecidable);
  EXPECT_EQ(verdict_of(kBias, with_interval(-0.34, -0.26, 0.2, -0.1)), Verdict::kMuchWorse);
  EXPECT_TRUE(shows_harm(kBias, with_interval(0.01, 0.09)));
  EXPECT_FALSE(shows_harm(kAccuracy, with_interval(0.01, 0.09)));
}

}  // namespace
}  // namespace assay
