#include "compress/wanda.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "base/error.h"
#include "compress/selection_plain.h"

namespace assay {
namespace {

const at::Tensor kWeight = torch::tensor({{0.5f, -1.0f, 0.2f, 0.8f}, {-0.3f, 0.4f, 0.9f, -0.1f}});
const at::Tensor kNorm = torch::tensor({2.25f, 5.25f, 5.25f, 1.25f}).sqrt();

// T1: a = [2.25 5.25 5.25 1.25], scores | 0.75  2.2913  0.4583  0.8944 |; half of each row goes:
//                                       | 0.45  0.9165  2.0622  0.1118 |  {0, 2} and {0, 3}
TEST(WandaKeepMask, MatchesHandComputedCase) {
  const auto expected = torch::tensor({{0, 1, 0, 1}, {0, 1, 1, 0}}).to(at::kBool);
  EXPECT_TRUE(at::equal(wanda_keep_mask(kWeight, kNorm, {.sparsity = 0.5}), expected));
  EXPECT_TRUE(at::equal(wanda_keep_mask(kWeight, kNorm, {.pattern = NmPattern{2, 4}}), expected));
}

TEST(WandaKeepMask, BreaksTiesByColumn) {
  const auto weight = torch::tensor({{1.0f, -3.0f, 2.0f}, {-5.0f, 0.0f, 1.0f}, {1.0f, 4.0f, 2.0f}});
  // |W| * [4 1 2] = | 4 3 4 |, | 20 0 2 |, | 4 4 4 |; int(0.5 * 3) = 1 goes per row.
  const auto expected = torch::tensor({{1, 0, 1}, {1, 0, 1}, {0, 1, 1}}).to(at::kBool);
  EXPECT_TRUE(at::equal(
      wanda_keep_mask(weight, torch::tensor({4.0f, 1.0f, 2.0f}), {.sparsity = 0.5}), expected));
}

TEST(WandaKeepMask, EqualNormsAreMagnitudePerRow) {
  at::manual_seed(1);
  const auto weight = torch::randn({9, 40});
  const auto keep = wanda_keep_mask(weight, torch::full({40}, 0.5f), {.sparsity = 0.6});
  EXPECT_TRUE(at::equal(keep, plain::keep_largest_per_row(weight.abs(), 24)));
}

TEST(WandaKeepMask, FollowsAPermutationOfTheInputs) {
  for (const uint64_t seed : {1u, 2u, 3u}) {
    at::manual_seed(seed);
    const auto weight = torch::randn({16, 64}), norm = torch::rand({64}), order = at::randperm(64);
    const auto keep = wanda_keep_mask(weight, norm, {.sparsity = 0.5});
    const auto permuted = wanda_keep_mask(weight.index_select(1, order),
                                          norm.index_select(0, order), {.sparsity = 0.5});
    EXPECT_TRUE(at::equal(permuted, keep.index_select(1, order)));
  }
}

TEST(WandaKeepMask, IgnoresTheScaleOfARowAndNests) {
  at::manual_seed(2);
  const auto weight = torch::randn({16, 64}), norm = torch::rand({64});
  const auto row_scale = torch::tensor({2.0f, 0.25f}).repeat({8}).view({16, 1});
  auto larger = torch::ones({16, 64}, torch::kBool);
  for (const double sparsity : {0.0, 0.2, 0.5, 0.8, 1.0}) {
    const auto keep = wanda_keep_mask(weight, norm, {.sparsity = sparsity});
    EXPECT_TRUE(at::equal(keep, wanda_keep_mask(weight * row_scale, norm, {.sparsity = sparsity})));
    EXPECT_TRUE(((~keep).sum(1) == static_cast<int64_t>(64 * sparsity)).all().item<bool>());
    EXPECT_FALSE((keep & ~larger).any().item<bool>());
    larger = keep;
  }
}

// One row, scores 1 2 3 4: cumulative sums 1 3 6 10. Sparsity 0.5 is met by an alpha with 3 <= 10
// alpha < 6; the search starts at 0.4 and stays.
TEST(WandaAlpha, MatchesHandComputedCase) {
  const auto weight = torch::tensor({{3.0f, 1.0f, 4.0f, 2.0f}});
  const auto expected = torch::tensor({{1, 0, 1, 0}}).to(at::kBool);
  EXPECT_TRUE(at::equal(wanda_keep_mask(weight, torch::ones({4}), {.sparsity = 0.5, .alpha = true}),
                        expected));
}

// The second row's smallest score is above every alpha that the search tries: nothing of it goes,
// or all of it when the reference's index -1 wraps to the row's maximum. Sparsity 0.25 = two of
// eight: alpha 0.4 takes three of row 0 (0.1 + 0.1 + 0.1 of 1.0 <= 0.4), alpha 0.2 two of them.
TEST(WandaAlpha, ARowWithoutAnyEntryWithinTheBoundIsKept) {
  const auto weight = torch::tensor({{0.1f, 0.1f, 0.1f, 0.7f}, {1.0f, 1.0f, 1.0f, 1.0f}});
  const auto distinct =
      weight + torch::tensor({{0.0f, 0.01f, 0.02f, 0.0f}, {0.0f, 0.0f, 0.0f, 0.0f}});
  const auto keep = wanda_keep_mask(distinct, torch::ones({4}), {.sparsity = 0.25, .alpha = true});
  EXPECT_TRUE(at::equal(keep, torch::tensor({{0, 0, 1, 1}, {1, 1, 1, 1}}).to(at::kBool))) << keep;
  const WandaConfig wrap{.sparsity = 0.25, .alpha = true, .parity_alpha_wrap = true};
  EXPECT_FALSE(wanda_keep_mask(distinct, torch::ones({4}), wrap)[1].any().item<bool>());
}

TEST(WandaAlpha, ReachesTheSparsity) {
  at::manual_seed(3);
  const auto weight = torch::randn({128, 256}), norm = torch::rand({256}) + 0.1;
  for (const double sparsity : {0.3, 0.5, 0.6}) {
    const auto keep = wanda_keep_mask(weight, norm, {.sparsity = sparsity, .alpha = true});
    EXPECT_NEAR((~keep).to(at::kFloat).mean().item<double>(), sparsity,
                0.002);  // bracket 0.001 wide
  }
}

TEST(WandaKeepMask, RefusesBadStatistics) {
  const auto message = [](const at::Tensor& weight, const at::Tensor& norm,
                          const WandaConfig& config) -> std::string {
    try {
      wanda_keep_mask(weight, norm, config);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_THAT(message(kWeight, torch::ones({3}), {}),
              testing::HasSubstr("needs input_norm [4], got [3]"));
  EXPECT_THAT(message(kWeight, torch::tensor({1.0f, NAN, 1.0f, 1.0f}), {}),
              testing::HasSubstr("non-finite"));
  EXPECT_THAT(message(kWeight, torch::tensor({1.0f, -1.0f, 1.0f, 1.0f}), {}),
              testing::HasSubstr("negative"));
  EXPECT_THAT(message(kWeight * 1e30, torch::full({4}, 1e30f), {}),
              testing::HasSubstr("wanda: score has a value"));
  EXPECT_THAT(message(kWeight, kNorm, {.sparsity = 2}),
              testing::HasSubstr("sparsity must be in [0, 1]"));
}

}  // namespace
}  // namespace assay
