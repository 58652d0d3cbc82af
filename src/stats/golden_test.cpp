// Agreement with scipy, statsmodels and slow independent definitions:
// tests/golden/make_stats_golden.py.

#include <gtest/gtest.h>

#include <fstream>

#include "base/json.h"
#include "stats/cluster_bootstrap.h"
#include "stats/cluster_robust.h"
#include "stats/clusters.h"
#include "stats/multiplicity.h"
#include "stats/paired_binary.h"
#include "stats/power.h"
#include "stats/proportion.h"
#include "stats/sign_flip.h"
#include "stats/wild_bootstrap.h"

namespace assay {
namespace {

using Doubles = std::vector<double>;

const Json& golden() {
  static const Json json = Json::parse(std::ifstream(ASSAY_SOURCE_DIR "/tests/golden/stats.json"));
  return json;
}

Doubles doubles(const Json& json) { return json.get<Doubles>(); }
std::vector<int32_t> clusters(const Json& json) { return json.get<std::vector<int32_t>>(); }

Doubles sizes_of(const std::vector<int32_t>& cluster) {
  return cluster_sums(Doubles(cluster.size(), 1.0), cluster);
}

TEST(StatsGolden, McNemar) {
  for (const Json& c : golden().at("mcnemar")) {
    EXPECT_NEAR(mcnemar_exact_p(c["b"], c["c"]), c["p"].get<double>(), 1e-12) << c.dump();
  }
}

TEST(StatsGolden, ClopperPearson) {
  for (const Json& c : golden().at("clopper_pearson")) {
    const auto interval = clopper_pearson(c["k"], c["n"], c["confidence"]);
    EXPECT_NEAR(interval.low, c["low"].get<double>(), 1e-9) << c.dump();
    EXPECT_NEAR(interval.high, c["high"].get<double>(), 1e-9) << c.dump();
  }
}

// The golden ends come from a numerical maximum of the likelihood, good to about 1e-7.
TEST(StatsGolden, ScoreIntervalOfPairedDifference) {
  for (const Json& c : golden().at("tango")) {
    const auto interval = tango_interval(c["b"], c["c"], c["n"]);
    EXPECT_NEAR(interval.low, c["low"].get<double>(), 1e-6) << c.dump();
    EXPECT_NEAR(interval.high, c["high"].get<double>(), 1e-6) << c.dump();
  }
}

TEST(StatsGolden, AdjustedP) {
  const auto& c = golden().at("adjusted");
  const auto p = doubles(c["p"]);
  const auto by_holm = holm(p);
  const auto by_bh = benjamini_hochberg(p);
  for (size_t i = 0; i < p.size(); ++i) {
    EXPECT_NEAR(by_holm[i], c["holm"][i].get<double>(), 1e-14) << i;
    EXPECT_NEAR(by_bh[i], c["bh"][i].get<double>(), 1e-14) << i;
  }
}

TEST(StatsGolden, Cr2WithSatterthwaite) {
  for (const Json& c : golden().at("cr2")) {
    const auto cluster = clusters(c["cluster"]);
    const auto result =
        cluster_robust_mean(cluster_sums(doubles(c["values"]), cluster), sizes_of(cluster));
    EXPECT_NEAR(result.mean, c["mean"].get<double>(), 1e-12);
    EXPECT_NEAR(result.standard_error, c["standard_error"].get<double>(), 1e-11);
    EXPECT_NEAR(result.dof, c["dof"].get<double>(), 1e-8);
    EXPECT_NEAR(result.p, c["p"].get<double>(), 1e-9);
    EXPECT_NEAR(result.interval.low, c["low"].get<double>(), 1e-9);
    EXPECT_NEAR(result.interval.high, c["high"].get<double>(), 1e-9);
  }
}

TEST(StatsGolden, IntraclassCorrelation) {
  for (const Json& c : golden().at("icc")) {
    const Json& data = golden().at("cr2").at(c["case"].get<size_t>());
    const auto result = dependence(doubles(data["values"]), clusters(data["cluster"]));
    EXPECT_NEAR(result.icc, c["icc"].get<double>(), 1e-12);
  }
}

TEST(StatsGolden, SignFlipWithAllVectors) {
  for (const Json& c : golden().at("sign_flip")) {
    const auto result = cluster_sign_flip(doubles(c["sums"]), doubles(c["sizes"]), 0);
    EXPECT_TRUE(result.exact);
    EXPECT_NEAR(result.p, c["p"].get<double>(), 1e-12);
    EXPECT_NEAR(result.interval.low, c["low"].get<double>(), 1e-9);
    EXPECT_NEAR(result.interval.high, c["high"].get<double>(), 1e-9);
  }
}

// The golden value takes all 6^5 weight vectors. At p = 0.05 a p from 99 999 draws has standard
// error 0.0007, and p moves by about 0.05 when an end of the interval moves by a tenth of the
// interval's width.
TEST(StatsGolden, WildBootstrapWithAllWeights) {
  const auto& c = golden().at("wild");
  const auto cluster = clusters(c["cluster"]);
  const auto result = wild_cluster_bootstrap(cluster_sums(doubles(c["values"]), cluster),
                                             sizes_of(cluster), 1, kConfidence, 99999);
  EXPECT_NEAR(result.p, c["p"].get<double>(), 0.006);
  const double low = c["low"];
  const double high = c["high"];
  EXPECT_NEAR(result.interval.low, low, 0.02 * (high - low));
  EXPECT_NEAR(result.interval.high, high, 0.02 * (high - low));
}

// An interval with 2.5 % in each tail lies inside the margin exactly when both one-sided t tests
// reject at 2.5 %.
TEST(StatsGolden, EquivalenceIsTwoOneSidedTests) {
  int equivalents = 0;
  for (const Json& c : golden().at("tost")) {
    const auto values = doubles(c["values"]);
    const auto t = cluster_robust_mean(values, Doubles(values.size(), 1.0));
    EXPECT_EQ(equivalent(t.interval, c["margin"]), c["p"].get<double>() < 0.025) << c["margin"];
    equivalents += equivalent(t.interval, c["margin"]);
  }
  EXPECT_GT(equivalents, 0);
  EXPECT_LT(equivalents, 4);
}

// Both sides are bootstraps with different draws: the 2.5 % quantile of t from 20 000 resamples has
// a standard error of about 0.02 to 0.04, so the ends may differ by 0.2 standard errors.
TEST(StatsGolden, BootstrapT) {
  const std::array<std::pair<const char*, SumStatistic>, 2> cases{
      {{"log_ratio",
        [](std::span<const double> s) { return std::log(s[2] / s[3]) - std::log(s[0] / s[1]); }},
       {"bias",
        [](std::span<const double> s) { return (1 - s[2] / s[1]) * (2 * s[0] / s[1] - 1); }}}};
  for (const auto& [name, statistic] : cases) {
    SCOPED_TRACE(name);
    const auto& c = golden().at("bootstrap_t").at(name);
    ClusterSums data;
    for (const Json& row : c["rows"]) {
      ++data.num_clusters;
      data.num_components = static_cast<int64_t>(row.size());
      for (const double value : doubles(row)) data.sums.push_back(value);
    }
    const auto result = cluster_bootstrap_t(data, statistic, 3, kConfidence, 20000);
    EXPECT_EQ(result.problem, "");
    EXPECT_NEAR(result.value, c["value"].get<double>(), 1e-12);
    EXPECT_NEAR(result.standard_error, c["standard_error"].get<double>(), 1e-11);
    EXPECT_NEAR(result.interval.low, c["low"].get<double>(), 0.2 * result.standard_error);
    EXPECT_NEAR(result.interval.high, c["high"].get<double>(), 0.2 * result.standard_error);
  }
}

}  // namespace
}  // namespace assay
