#include "stats/sign_draws.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/error.h"

namespace assay {
namespace {

// |sum of the clusters' values under their signs|
SignStatistic absolute_sum(std::vector<double> values) {
  return [values = std::move(values)](std::span<const uint8_t> turned) {
    double sum = 0;
    for (size_t g = 0; g < values.size(); ++g) sum += turned[g] != 0 ? -values[g] : values[g];
    return std::abs(sum);
  };
}

// |+-1 +-1 +-1| is 3 in 2 of 8 cases, else 1: mean 1.5, p of 3 is 1/4. Standard errors over 9999
// draws: 0.0087 and 0.0043.
TEST(SignDraws, ThreeClustersByHand) {
  const auto statistic = absolute_sum({1, 1, 1});
  const auto chance = chance_distribution(3, statistic, 1, 9999);
  EXPECT_NEAR(chance.mean, 1.5, 0.04);
  EXPECT_EQ(chance.middle.low, 1);
  EXPECT_EQ(chance.middle.high, 3);
  EXPECT_NEAR(sign_draw_p(3, statistic, 1, 9999), 0.25, 0.02);
  EXPECT_EQ(chance_distribution(3, statistic, 1, 9999).mean, chance.mean);  // seeded
}

// Many clusters: a sum of 400 signs is normal with deviation 20; |.| has the mean 20 sqrt(2 / pi).
TEST(SignDraws, ManyClustersAreNormal) {
  const auto chance = chance_distribution(400, absolute_sum(std::vector<double>(400, 1)), 7, 9999);
  EXPECT_NEAR(chance.mean, 20 * std::sqrt(2 / M_PI), 0.6);
  EXPECT_NEAR(chance.middle.high, 2.24 * 20, 2.0);  // of |z|: 97.5 % lie below 2.24
}

TEST(SignDraws, UndefinedIsNotANumber) {
  const SignStatistic nothing = [](std::span<const uint8_t>) { return NAN; };
  EXPECT_TRUE(std::isnan(chance_distribution(2, nothing, 1).mean));
  EXPECT_TRUE(std::isnan(sign_draw_p(2, nothing, 1)));
  EXPECT_EQ(sign_draw_p(2, absolute_sum({0, 0}), 1), 1);  // nothing changed
  EXPECT_THROW(chance_distribution(0, nothing, 1), Error);
}

}  // namespace
}  // namespace assay
