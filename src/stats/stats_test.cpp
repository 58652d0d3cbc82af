// Cases by hand and properties; agreement with other software is in golden_test.cpp, coverage in
// simulation_test.cpp.

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/philox.h"
#include "stats/cluster_bootstrap.h"
#include "stats/cluster_robust.h"
#include "stats/clusters.h"
#include "stats/discordance.h"
#include "stats/multiplicity.h"
#include "stats/paired_binary.h"
#include "stats/power.h"
#include "stats/proportion.h"
#include "stats/sign_flip.h"
#include "stats/wild_bootstrap.h"

namespace assay {
namespace {

using Doubles = std::vector<double>;

// b = 1, c = 5: 2 (C(6,0) + C(6,1)) / 2^6 = 14 / 64.
TEST(McNemar, ByHand) {
  EXPECT_DOUBLE_EQ(mcnemar_exact_p(1, 5), 14.0 / 64);
  EXPECT_DOUBLE_EQ(mcnemar_exact_p(3, 3), 1);  // 2 * 42 / 64, cut at 1
  EXPECT_DOUBLE_EQ(mcnemar_exact_p(0, 0), 1);
  EXPECT_THROW(mcnemar_exact_p(-1, 0), Error);
}

TEST(ClopperPearson, NoneAndAll) {
  EXPECT_DOUBLE_EQ(clopper_pearson(0, 96).low, 0);
  EXPECT_NEAR(clopper_pearson(0, 96).high, 1 - std::pow(0.025, 1.0 / 96), 1e-12);
  EXPECT_NEAR(clopper_pearson(96, 96).low, std::pow(0.025, 1.0 / 96), 1e-12);
  EXPECT_DOUBLE_EQ(clopper_pearson(96, 96).high, 1);
  EXPECT_THROW(clopper_pearson(3, 2), Error);
  EXPECT_THROW(clopper_pearson(0, 0), Error);
}

TEST(Tango, SwapsWithItsArmsAndHoldsTheEstimate) {
  for (int b = 0; b <= 12; b += 3) {
    for (int c = 0; c <= 12; c += 4) {
      const auto forward = tango_interval(b, c, 30);
      const auto backward = tango_interval(c, b, 30);
      EXPECT_NEAR(forward.low, -backward.high, 1e-9);
      EXPECT_LE(forward.low, (c - b) / 30.0);
      EXPECT_GE(forward.high, (c - b) / 30.0);
    }
  }
  EXPECT_GT(tango_interval(0, 0, 30).high, 0);  // nothing changed is not an interval [0, 0]
  EXPECT_THROW(tango_interval(20, 20, 30), Error);
}

// p = 0.01, 0.04, 0.03: Holm 3*0.01, max(.., 2*0.03) = 0.06, max(0.06, 0.04) = 0.06;
// Benjamini-Hochberg 3*0.01, min(1.5*0.03, 0.04) = 0.04, 0.04.
TEST(Multiplicity, ByHand) {
  const Doubles p{0.01, 0.04, 0.03};
  const auto h = holm(p);
  const auto q = benjamini_hochberg(p);
  EXPECT_DOUBLE_EQ(h[0], 0.03);
  EXPECT_DOUBLE_EQ(h[1], 0.06);
  EXPECT_DOUBLE_EQ(h[2], 0.06);
  EXPECT_DOUBLE_EQ(q[0], 0.03);
  EXPECT_DOUBLE_EQ(q[1], 0.04);
  EXPECT_DOUBLE_EQ(q[2], 0.04);
  EXPECT_TRUE(holm({}).empty());
  EXPECT_THROW(holm(Doubles{0.1, NAN}), Error);
}

// Two clusters {1, 1} and {0, 0}: all variance lies between them, icc 1, deff 1 + (8/4 - 1) = 2.
TEST(Dependence, ByHand) {
  const auto full = dependence(Doubles{1, 1, 0, 0}, std::vector<int32_t>{0, 0, 1, 1});
  EXPECT_DOUBLE_EQ(full.icc, 1);
  EXPECT_DOUBLE_EQ(full.design_effect, 2);
  EXPECT_DOUBLE_EQ(full.effective_n, 2);
  // {1, 0}, {1, 0}: MSB = 0, MSW = 0.5, icc = -0.5 / 0.5; a negative one never buys more items.
  const auto none = dependence(Doubles{1, 0, 1, 0}, std::vector<int32_t>{0, 0, 1, 1});
  EXPECT_DOUBLE_EQ(none.icc, -1);
  EXPECT_DOUBLE_EQ(none.effective_n, 4);
}

TEST(Dependence, UndefinedCases) {
  const auto single = dependence(Doubles{1, 0, 2}, std::vector<int32_t>{0, 1, 2});
  EXPECT_TRUE(std::isnan(single.icc));
  EXPECT_DOUBLE_EQ(single.effective_n, 3);
  const auto constant = dependence(Doubles{0, 0, 0}, std::vector<int32_t>{0, 1, 1});
  EXPECT_TRUE(std::isnan(constant.design_effect));
  EXPECT_DOUBLE_EQ(constant.effective_n, 2);  // the clusters, when their dependence is unknown
  EXPECT_DOUBLE_EQ(constant.largest_share, 2.0 / 3);
  EXPECT_THROW(dependence(Doubles{1, 2}, std::vector<int32_t>{0, 2}), Error);
}

// Six clusters of one item, all -1: only the identity and its mirror reach |sum| = 6, so p = 2/64.
// The interval: a mean of -1 + e is rejected when at most 5 % of 32 pairs of vectors reach it.
TEST(SignFlip, ByHand) {
  const auto result = cluster_sign_flip(Doubles(6, -1), Doubles(6, 1), 0);
  EXPECT_DOUBLE_EQ(result.p, 2.0 / 64);
  EXPECT_TRUE(result.exact);
  EXPECT_EQ(result.num_vectors, 32);
  EXPECT_LT(result.interval.high, 0);
}

TEST(SignFlip, FiveClustersNeverDecide) {
  const auto result = cluster_sign_flip(Doubles(5, -1), Doubles(5, 1), 0);
  EXPECT_DOUBLE_EQ(result.p, 2.0 / 32);
  EXPECT_TRUE(std::isnan(result.interval.low));
}

// 0.1 + 0.2 + ... summed in another order is not the same double; such vectors are ties.
TEST(SignFlip, RoundingIsATie) {
  const auto scaled =
      cluster_sign_flip(Doubles{0.1, 0.2, 0.3, -0.1, 0.7, 0.4, 0.1}, Doubles(7, 1), 0);
  const auto whole = cluster_sign_flip(Doubles{1, 2, 3, -1, 7, 4, 1}, Doubles(7, 1), 0);
  EXPECT_DOUBLE_EQ(scaled.p, whole.p);
}

Doubles random_sums(size_t n, uint64_t seed, double mean) {
  PhiloxStream random(seed, 9);
  Doubles sums(n);
  for (double& s : sums) s = mean + random.normal();
  return sums;
}

TEST(SignFlip, PAndIntervalAgree) {
  int excluded = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const size_t n = 8 + seed;  // both the enumerated and the drawn kind
    const auto result =
        cluster_sign_flip(random_sums(n, seed, 0.35), Doubles(n, 1), seed, kConfidence, 9999);
    EXPECT_EQ(result.exact, n <= 14);
    const bool excludes = result.interval.low > 0 || result.interval.high < 0;
    EXPECT_EQ(excludes, result.p <= 0.05) << n << " p " << result.p;
    excluded += excludes;
  }
  EXPECT_GT(excluded, 5);
  EXPECT_LT(excluded, 35);
}

TEST(SignFlip, DrawnVectorsAgreeWithAllOfThem) {
  const auto sums = random_sums(14, 5, 0.5);
  const Doubles sizes(14, 1);
  const auto all = cluster_sign_flip(sums, sizes, 0);
  // One more cluster without weight to speak of switches to draws; p then has standard error <
  // 0.0016.
  Doubles more = sums;
  more.push_back(0);
  Doubles more_sizes = sizes;
  more_sizes.push_back(1e-9);
  const auto drawn = cluster_sign_flip(more, more_sizes, 7);
  EXPECT_FALSE(drawn.exact);
  EXPECT_EQ(drawn.num_vectors, kSignFlipDraws + 1);
  EXPECT_NEAR(drawn.p, all.p, 0.006);
  const double width = all.interval.high - all.interval.low;
  EXPECT_NEAR(drawn.interval.low, all.interval.low, 0.02 * width);
  EXPECT_NEAR(drawn.interval.high, all.interval.high, 0.02 * width);
}

TEST(SignFlip, SwapsWithItsArms) {
  auto sums = random_sums(12, 3, 0.4);
  const auto forward = cluster_sign_flip(sums, Doubles(12, 2), 1);
  for (double& s : sums) s = -s;
  const auto backward = cluster_sign_flip(sums, Doubles(12, 2), 1);
  EXPECT_DOUBLE_EQ(forward.p, backward.p);
  EXPECT_DOUBLE_EQ(forward.interval.low, -backward.interval.high);
}

TEST(SignFlip, RefusesBadInput) {
  EXPECT_THROW(cluster_sign_flip({}, {}, 0), Error);
  EXPECT_THROW(cluster_sign_flip(Doubles{1}, Doubles{0}, 0), Error);
  EXPECT_THROW(cluster_sign_flip(Doubles{NAN}, Doubles{1}, 0), Error);
}

// Clusters of one item: the classical t interval with n - 1 degrees of freedom. {1, 2, 3}: mean 2,
// se 1/sqrt(3).
TEST(ClusterRobust, SingletonsAreTheTTest) {
  const auto result = cluster_robust_mean(Doubles{1, 2, 3}, Doubles{1, 1, 1});
  EXPECT_DOUBLE_EQ(result.mean, 2);
  EXPECT_NEAR(result.standard_error, 1 / std::sqrt(3.0), 1e-12);
  EXPECT_NEAR(result.dof, 2, 1e-12);
  EXPECT_NEAR(result.interval.high - 2, 4.30265273 / std::sqrt(3.0), 1e-7);
  EXPECT_THROW(cluster_robust_mean(Doubles{1}, Doubles{1}), Error);
}

TEST(WildBootstrap, SwapsWithItsArmsAndHoldsTheMean) {
  auto sums = random_sums(25, 11, 0.3);
  const Doubles sizes(25, 1);
  const auto forward = wild_cluster_bootstrap(sums, sizes, 1);
  const double mean = std::accumulate(sums.begin(), sums.end(), 0.0) / 25;
  EXPECT_LT(forward.interval.low, mean);
  EXPECT_GT(forward.interval.high, mean);
  for (double& s : sums) s = -s;
  const auto backward = wild_cluster_bootstrap(sums, sizes, 1);
  EXPECT_DOUBLE_EQ(forward.p, backward.p);
  EXPECT_NEAR(forward.interval.low, -backward.interval.high, 1e-6);
}

double ratio(std::span<const double> s) { return s[1] == 0 ? NAN : s[0] / s[1]; }

ClusterSums ratio_data(size_t n, uint64_t seed) {
  ClusterSums data{static_cast<int64_t>(n), 2, {}};
  PhiloxStream random(seed, 4);
  for (size_t g = 0; g < n; ++g) {
    const double size = 5 + random.below(20);
    data.sums.push_back(size * (1 + 0.3 * random.normal()));
    data.sums.push_back(size);
  }
  return data;
}

// Without each of three clusters {1,1}, {2,1}, {6,1} the ratio is 4, 3.5, 1.5: mean 3, squares 1 +
// 0.25 + 2.25 = 3.5; se = sqrt(2/3 * 3.5), which is also sd / sqrt(3) of {1, 2, 6}.
TEST(ClusterBootstrap, JackknifeByHand) {
  const ClusterSums data{3, 2, {1, 1, 2, 1, 6, 1}};
  EXPECT_DOUBLE_EQ(total_sums(data)[0], 9);
  EXPECT_NEAR(jackknife_standard_error(data, ratio), std::sqrt(7.0 / 3), 1e-12);
}

TEST(ClusterBootstrap, TooFewClustersGiveNoInterval) {
  const auto few = cluster_bootstrap_t(ratio_data(19, 1), ratio, 1);
  EXPECT_TRUE(std::isnan(few.interval.low));
  EXPECT_EQ(few.problem, "fewer than 20 clusters");
  EXPECT_FALSE(std::isnan(few.value));
  EXPECT_EQ(cluster_bootstrap_t(ratio_data(20, 1), ratio, 1).problem, "");
  EXPECT_EQ(cluster_bootstrap_percentile(ratio_data(99, 1), ratio, 1).problem,
            "fewer than 100 clusters");
  EXPECT_EQ(cluster_bootstrap_percentile(ratio_data(100, 1), ratio, 1).problem, "");
}

TEST(ClusterBootstrap, SaysWhereTheStatisticIsUndefined) {
  ClusterSums lonely{25, 2, Doubles(50, 0.0)};
  lonely.sums[1] = 1;  // the ratio is undefined without this cluster
  EXPECT_EQ(cluster_bootstrap_t(lonely, ratio, 1).problem,
            "the statistic is undefined without one of the clusters");
  lonely.sums[3] =
      1;  // defined without any one, but 1 - (1 - 2/25)^25 = 12 % of resamples miss both
  lonely.sums[0] = 1;
  EXPECT_NE(cluster_bootstrap_t(lonely, ratio, 1).problem.find("of 9999 resamples"),
            std::string::npos);
  ClusterSums constant{25, 2, Doubles(50, 1.0)};
  EXPECT_EQ(cluster_bootstrap_t(constant, ratio, 1).problem, "no cluster changes the statistic");
}

TEST(ClusterBootstrap, BothKindsAgreeWithManyClusters) {
  const auto data = ratio_data(400, 8);
  const auto t = cluster_bootstrap_t(data, ratio, 1, kConfidence, 4999);
  const auto percentile = cluster_bootstrap_percentile(data, ratio, 1, kConfidence, 4999);
  EXPECT_NEAR(t.interval.low, percentile.interval.low, 0.15 * t.standard_error);
  EXPECT_NEAR(t.interval.high, percentile.interval.high, 0.15 * t.standard_error);
}

TEST(ClusterBootstrap, SameSeedSameResult) {
  const auto data = ratio_data(30, 2);
  EXPECT_EQ(cluster_bootstrap_t(data, ratio, 5).interval.low,
            cluster_bootstrap_t(data, ratio, 5).interval.low);
  EXPECT_NE(cluster_bootstrap_t(data, ratio, 5).interval.low,
            cluster_bootstrap_t(data, ratio, 6).interval.low);
}

// The zero-discordance fixture: 96 clusters, none changed.
TEST(Discordance, NothingChangedIsNotAnEmptyInterval) {
  const double bound = 1 - std::pow(0.025, 1.0 / 96);
  const auto interval = discordance_bound(0, 0, 96, 1);
  EXPECT_NEAR(interval.low, -bound, 1e-12);
  EXPECT_NEAR(interval.high, bound, 1e-12);
  EXPECT_TRUE(non_inferior(interval, 0.05));
  EXPECT_FALSE(non_inferior(discordance_bound(0, 0, 60, 1), 0.05));
  EXPECT_LT(discordance_bound(2, 0, 96, 1).low, interval.low);
}

// 80 % power against level 5 % with many degrees of freedom: 1.96 + 0.8416 standard errors.
TEST(Power, MinimumDetectableEffect) {
  EXPECT_NEAR(minimum_detectable_effect(0.01, 1e6), 0.028016, 1e-5);
  const double share = minimum_detectable_share(96);
  double below_six = 0;  // P(X <= 5) for X ~ Binomial(96, share)
  for (int k = 0; k < 6; ++k) {
    below_six += std::exp(std::lgamma(97) - std::lgamma(k + 1) - std::lgamma(97 - k) +
                          k * std::log(share) + (96 - k) * std::log1p(-share));
  }
  EXPECT_NEAR(below_six, 0.2, 1e-9);
  EXPECT_TRUE(std::isnan(minimum_detectable_share(5)));
}

TEST(Equivalence, IsTwoSidedAndNonInferiorityIsNot) {
  EXPECT_TRUE(non_inferior({-0.04, 0.2}, 0.05));
  EXPECT_FALSE(equivalent({-0.04, 0.2}, 0.05));
  EXPECT_TRUE(equivalent({-0.04, 0.04}, 0.05));
  EXPECT_FALSE(non_inferior({-0.05, 0.0}, 0.05));  // on the margin is not above it
  EXPECT_THROW(non_inferior({0, 0}, 0), Error);
  EXPECT_FALSE(non_inferior({}, 0.05));  // no interval shows nothing
}

}  // namespace
}  // namespace assay
