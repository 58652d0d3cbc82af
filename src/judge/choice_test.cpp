#include "judge/choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace assay {
namespace {

using testing::ElementsAre;

TEST(Choice, FirstBestTakesTheFirstOfEquals) {
  EXPECT_EQ(first_best(std::vector{-3.0, -1.0, -2.0}), 1);
  EXPECT_EQ(first_best(std::vector{-3.0, -1.0, -1.0}), 1);
  EXPECT_THROW(first_best({}), Error);
}

TEST(Choice, ATieIsSharedByItsOptions) {
  EXPECT_THAT(best_shares(std::vector{-3.0, -1.0, -2.0}), ElementsAre(0, 1, 0));
  EXPECT_THAT(best_shares(std::vector{-1.0, -3.0, -1.0}), ElementsAre(0.5, 0, 0.5));
  EXPECT_TRUE(best_shares({}).empty());
}

// By hand: sums -6, -8 with 2 and 4 units are -3, -2 a unit: the reading turns the pick round.
TEST(Choice, ReadingsByHand) {
  const std::vector sums{-6.0, -8.0};
  const std::vector<int64_t> lengths{2, 4};
  EXPECT_THAT(per_unit(sums, lengths), ElementsAre(-3, -2));
  EXPECT_THAT(minus_unconditional(sums, std::vector{-5.0, -9.0}), ElementsAre(-1, 1));
  EXPECT_THROW(per_unit(sums, std::vector<int64_t>{1}), Error);
  EXPECT_THROW(per_unit(sums, std::vector<int64_t>{1, 0}), Error);
  EXPECT_THROW(minus_unconditional(sums, std::vector{1.0}), Error);
}

}  // namespace
}  // namespace assay
