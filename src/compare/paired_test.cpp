#include "compare/paired.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "compare/flips.h"

namespace assay {
namespace {

using testing::ElementsAre;

constexpr Outcome kAccuracy{
    .name = "acc", .dimension = "bias", .chance = {}, .statistic = mean_statistic, .is_mean = true};

std::string message_of(auto&& fn) {
  try {
    fn();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

AnsweredItem item(const std::string& id, const std::string& cluster, Contribution contribution) {
  AnsweredItem result;
  result.id = id;
  result.cluster = cluster;
  result.contributions = {std::move(contribution)};
  return result;
}

Contribution scored(double value) { return std::vector<double>{value, 1}; }

TEST(Align, FindsItemsByIdWhateverTheirOrder) {
  const std::vector base{item("a", "x", scored(1)), item("b", "x", scored(0))};
  const std::vector variant{base[1], base[0]};
  EXPECT_THAT(align(base, variant), ElementsAre(1, 0));
}

TEST(Align, NamesTheFirstItemThatDoesNotMatch) {
  const std::vector base{item("a", "x", scored(1)), item("b", "x", scored(0))};
  const std::vector shorter{base[0]};
  EXPECT_EQ(message_of([&] { align(base, shorter); }), "item 'b' is missing in the variant");
  EXPECT_EQ(message_of([&] { align(shorter, base); }), "item 'b' is missing in the base");
  const std::vector twice{base[0], base[0]};
  EXPECT_EQ(message_of([&] { align(base, twice); }), "variant: item 'a' occurs twice");
  std::vector moved = base;
  moved[1].cluster = "y";
  EXPECT_EQ(message_of([&] { align(base, moved); }),
            "item 'b' lies in cluster 'x' of the base but 'y' of the variant");
}

// a is scored by both, b by the base only, c by neither, d is not what the outcome is about.
TEST(PairOutcome, LeavesOutAndCountsWhatIsNotScoredInBothArms) {
  const Contribution nothing = std::vector<double>{};
  const std::vector base{item("a", "x", scored(1)), item("b", "x", scored(1)),
                         item("c", "y", Unscored{"NaN"}), item("d", "z", nothing)};
  const std::vector variant{item("a", "x", scored(0)), item("b", "x", Unscored{"empty"}),
                            item("c", "y", Unscored{"NaN"}), item("d", "z", nothing)};
  const auto pairs = pair_outcome(base, variant, align(base, variant), kAccuracy, 0);
  EXPECT_THAT(pairs.base_item, ElementsAre(0));
  EXPECT_THAT(pairs.base, ElementsAre(1, 1));
  EXPECT_THAT(pairs.variant, ElementsAre(0, 1));
  EXPECT_EQ(pairs.num_clusters, 1);
  EXPECT_EQ(pairs.unscored.base, 1);
  EXPECT_EQ(pairs.unscored.variant, 2);
  EXPECT_EQ(pairs.unscored.either, 2);
  EXPECT_EQ((pairs.unscored.reasons.at({"variant", "empty"})), 1);
}

TEST(PairOutcome, RefusesContributionsThatDoNotFit) {
  const std::vector good{item("a", "x", scored(1))};
  const std::vector alignment{size_t{0}};
  const auto error = [&](Contribution contribution) {
    const std::vector bad{item("a", "x", std::move(contribution))};
    return message_of([&] { pair_outcome(good, bad, alignment, kAccuracy, 0); });
  };
  EXPECT_EQ(error(std::vector<double>{1}), "item 'a': acc needs 2 numbers, got 1");
  EXPECT_EQ(error(std::vector<double>{NAN, 1}), "item 'a': acc is not finite");
  EXPECT_EQ(error(std::vector<double>{}), "item 'a': acc is about it in one arm only");
}

TEST(PairsOfGroup, KeepsItsItemsAndNumbersTheirClustersAnew) {
  std::vector base{item("a", "x", scored(1)), item("b", "y", scored(0)), item("c", "y", scored(1))};
  base[1].groups = {"old"};
  base[2].groups = {"young", "old"};
  const auto pairs = pair_outcome(base, base, align(base, base), kAccuracy, 0);
  const auto old = pairs_of_group(pairs, base, "old", kAccuracy);
  EXPECT_THAT(old.base_item, ElementsAre(1, 2));
  EXPECT_THAT(old.cluster, ElementsAre(0, 0));
  EXPECT_THAT(old.base, ElementsAre(0, 1, 1, 1));
  EXPECT_EQ(pairs_of_group(pairs, base, "nobody", kAccuracy).size(), 0u);
}

AnsweredItem answered(const std::string& id, int target, int prediction,
                      std::vector<double> scores) {
  AnsweredItem result = item(id, id, scored(target == prediction));
  result.target = target;
  result.prediction = prediction;
  result.log_likelihoods = std::move(scores);
  return result;
}

// a stays right, b is lost, c is won, d stays wrong with another prediction, e has no right answer
// and changes.
struct FourCells : testing::Test {
  std::vector<AnsweredItem> base{answered("a", 0, 0, {-1, -2}), answered("b", 0, 0, {-1, -2}),
                                 answered("c", 1, 0, {-1, -3}), answered("d", 2, 0, {-1, -2, -5}),
                                 answered("e", -1, 0, {-1, -2})};
  std::vector<AnsweredItem> variant{
      answered("a", 0, 0, {-1.5, -2}), answered("b", 0, 1, {-2, -1}), answered("c", 1, 1, {-4, -2}),
      answered("d", 2, 1, {-2, -1, -5}), answered("e", -1, 1, {-2, -1})};
  std::vector<size_t> alignment = align(base, variant);
  OutcomePairs pairs = pair_outcome(base, variant, alignment, kAccuracy, 0);
};

TEST_F(FourCells, CountsFlips) {
  const auto flips = count_flips(pairs, base, variant);
  ASSERT_TRUE(flips);
  EXPECT_EQ(flips->both_right, 1);
  EXPECT_EQ(flips->base_only, 1);
  EXPECT_EQ(flips->variant_only, 1);
  EXPECT_EQ(flips->both_wrong, 1);
  EXPECT_EQ(flips->changed_predictions, 4);
}

TEST_F(FourCells, NoPredictionNoTable) {
  for (auto& one : base) one.prediction.reset();
  EXPECT_FALSE(count_flips(pairs, base, variant));
}

// Of the right answers: 0.5 (a), 1 (b), 1 (c), 0 (d); of e, which has none, both answers: 1, 1.
// Mean 4.5 / 6.
TEST_F(FourCells, ShiftOfLogLikelihoods) {
  const auto shift = log_likelihood_shift(pairs, base, variant);
  ASSERT_TRUE(shift);
  EXPECT_TRUE(shift->of_target);
  EXPECT_DOUBLE_EQ(shift->mean, 4.5 / 6);
  EXPECT_DOUBLE_EQ(shift->max, 1);
  EXPECT_DOUBLE_EQ(largest_shift(base[2], variant[2]), 3);  // of all answers
}

// Swings: b 1 + 1, c 1 + 3, e 1 + 1; d stays wrong and is no flip.
TEST_F(FourCells, LargestSwingFirst) {
  const auto flipped = flipped_items(base, variant, alignment);
  ASSERT_EQ(flipped.size(), 3u);
  EXPECT_EQ(flipped[0].base_item, 2u);
  EXPECT_DOUBLE_EQ(flipped[0].swing, 4);
  EXPECT_EQ(flipped[1].base_item, 1u);
  EXPECT_EQ(flipped[2].base_item, 4u);
}

TEST(ChoiceMargin, IsTheGapOfTheTwoBest) {
  EXPECT_DOUBLE_EQ(choice_margin(answered("a", 0, 0, {-3, -1, -1.25})), 0.25);
  EXPECT_TRUE(std::isinf(choice_margin(answered("a", 0, 0, {-3}))));
}

}  // namespace
}  // namespace assay
