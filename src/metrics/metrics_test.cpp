#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "metrics/bias.h"
#include "metrics/outcome.h"
#include "metrics/perplexity.h"

namespace assay {
namespace {

using Sums = std::vector<double>;

Sums sum_of(const std::vector<Sums>& items) {
  Sums sums(items.at(0).size(), 0.0);
  for (const auto& item : items) {
    for (size_t i = 0; i < item.size(); ++i) sums[i] += item[i];
  }
  return sums;
}

const Sums kFirst{1, 0, 0}, kSecond{0, 1, 0}, kThird{0, 0, 1};

// Four ambiguous rows of Age, target group old; option 0 is old, 1 nonOld, 2 abstains and is right:
// (neg, old), (neg, unknown), (nonneg, nonOld), (nonneg, old). The target is option 0 for neg, 1
// for nonneg. 3 picks name a person, 2 of them the target: s = 1/3; accuracy 1/4; s_AMB = 3/4 * 1/3
// = 1/4 (spec 2.7).
TEST(Bias, ToyCheckOfTheSpec) {
  const Sums sums = sum_of({bias_components(kFirst, 0, 2, 2), bias_components(kThird, 0, 2, 2),
                            bias_components(kSecond, 1, 2, 2), bias_components(kFirst, 1, 2, 2)});
  EXPECT_DOUBLE_EQ(bias_score(sums), 1.0 / 3);
  EXPECT_DOUBLE_EQ(ambiguous_bias_score(sums), 0.25);
}

// The same four rows as the paper counts them: biased are (neg, old), (neg, unknown), (nonneg,
// nonOld): 3 of 3 named.
TEST(Bias, ToyCheckOfThePapersCount) {
  const std::vector<std::string> labels{"old", "nonOld", "unknown"};
  const Sums sums = sum_of({paper_bias_components(kFirst, labels, 2, true),
                            paper_bias_components(kThird, labels, 2, true),
                            paper_bias_components(kSecond, labels, 2, false),
                            paper_bias_components(kFirst, labels, 2, false)});
  EXPECT_DOUBLE_EQ(bias_score(sums), 1);
  EXPECT_DOUBLE_EQ(ambiguous_bias_score(sums), 0.75);
  // All abstain on negative questions: biased without a named pick.
  EXPECT_TRUE(std::isnan(bias_score(paper_bias_components(kThird, labels, 2, true))));
}

TEST(Bias, EdgesOfTheScore) {
  EXPECT_EQ(bias_score(bias_components(kThird, 0, 2, 2)), 0);       // nobody named
  EXPECT_TRUE(std::isnan(ambiguous_bias_score(Sums{0, 0, 0, 0})));  // no item
  EXPECT_EQ(bias_score(bias_components(kSecond, 0, 2, 2)), -1);
  // A tie of target and abstention: half a biased pick of half a named one, half right.
  EXPECT_EQ(bias_components(Sums{0.5, 0, 0.5}, 0, 2, 2), (Sums{0.5, 0.5, 0.5, 1}));
  EXPECT_THROW(bias_components(kFirst, 3, 2, 2), Error);
}

TEST(Outcome, MeanOfNothingIsNotANumber) {
  EXPECT_EQ(mean_statistic(Sums{3, 4}), 0.75);
  EXPECT_TRUE(std::isnan(mean_statistic(Sums{0, 0})));
}

// Two windows: 2 tokens with 2 nats each, 1 token with 1 nat.
// Token-weighted: exp(5 / 3); mean of window means: exp((2 + 1) / 2). 10 bytes: 5 / (10 ln 2) bits
// a byte.
TEST(Perplexity, ProtocolsByHand) {
  EXPECT_DOUBLE_EQ(perplexity(Sums{4 + 1, 2 + 1}), std::exp(5.0 / 3));
  EXPECT_DOUBLE_EQ(perplexity(Sums{2 + 1, 2}), std::exp(1.5));
  EXPECT_DOUBLE_EQ(bits_per_byte(Sums{5, 10}), 0.5 / std::log(2.0));
  EXPECT_TRUE(std::isnan(perplexity(Sums{0, 0})));
  EXPECT_DOUBLE_EQ(cost_ratio(Sums{6, 4}), 1.5);
  EXPECT_DOUBLE_EQ(perplexity_ratio(Sums{6, 3, 4, 4}), std::exp(2.0 - 1.0));
}

}  // namespace
}  // namespace assay
