#include "compress/ria.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "base/error.h"
#include "base/thread_pool.h"
#include "compress/selection_plain.h"

namespace assay {
namespace {

const at::Tensor kWeight = torch::tensor({{0.5f, -1.0f, 0.2f, 0.8f}, {-0.3f, 0.4f, 0.9f, -0.1f}});
const at::Tensor kNorm = torch::tensor({2.25f, 5.25f, 5.25f, 1.25f}).sqrt();

// T1: column sums 0.8 1.4 1.1 0.9, row sums 2.5 and 1.7; first entry (0.5 / 0.8 + 0.5 / 2.5) *
// 2.25^(1/4) = 0.825 * 1.224745 = 1.010415. Half of each row goes: {0, 2} and {0, 3}.
TEST(RiaScore, MatchesHandComputedCase) {
  const auto expected = torch::tensor(
      {{1.010415f, 1.686694f, 0.396314f, 1.278244f}, {0.675411f, 0.788650f, 2.039852f, 0.179684f}});
  EXPECT_TRUE(at::allclose(ria_score(kWeight, kNorm, 0.5), expected, 0, 1e-6));
  const auto keep = torch::tensor({{0, 1, 0, 1}, {0, 1, 1, 0}}).to(at::kBool);
  EXPECT_TRUE(at::equal(ria_keep_mask(kWeight, kNorm, {}), keep));
  EXPECT_TRUE(at::equal(ria_keep_mask(kWeight, kNorm, {.pattern = NmPattern{2, 4}}), keep));
}

TEST(RiaScore, AgreesWithTheDefinition) {
  for (const double power : {0.0, 0.5, 1.0}) {
    at::manual_seed(1);
    const auto weight = torch::randn({130, 90}, at::kDouble), norm = torch::rand({90}, at::kDouble);
    const auto absolute = weight.abs();
    const auto expected =
        (absolute / absolute.sum(0) + absolute / absolute.sum(1, true)) * norm.pow(power);
    EXPECT_TRUE(at::allclose(ria_score(weight, norm, power), expected, 1e-12, 0));
    const auto keep = ria_keep_mask(weight, norm, {.sparsity = 0.3, .power = power});
    EXPECT_TRUE(at::equal(keep, plain::keep_largest_per_row(expected, 27)));
  }
}

TEST(RiaScore, IgnoresTheScaleOfTheMatrixAndFollowsPermutations) {
  at::manual_seed(2);
  const auto weight = torch::randn({32, 64}), norm = torch::rand({64}), order = at::randperm(64);
  const auto keep = ria_keep_mask(weight, norm, {});
  EXPECT_TRUE(at::equal(ria_keep_mask(weight * 4, norm, {}), keep));
  EXPECT_TRUE(
      at::equal(ria_keep_mask(weight.index_select(1, order), norm.index_select(0, order), {}),
                keep.index_select(1, order)));
}

// A column of zeros has no share to give: 0, and not 0 / 0.
TEST(RiaScore, OfEmptyColumnsAndRowsIsZero) {
  const auto weight = torch::tensor({{0.0f, 0.0f, 0.0f}, {0.0f, 3.0f, -1.0f}});
  // 3 / 3 + 3 / 4 and 1 / 1 + 1 / 4
  const auto expected = torch::tensor({{0.0f, 0.0f, 0.0f}, {0.0f, 1.75f, 1.25f}});
  EXPECT_TRUE(at::equal(ria_score(weight, torch::ones({3}), 0.5), expected));
}

TEST(RiaScore, HasTheSameBitsForAnyThreads) {
  at::manual_seed(3);
  const auto weight = torch::randn({700, 500}), norm = torch::rand({500});
  const int64_t before = num_threads();
  set_num_threads(1);
  const auto one = ria_score(weight, norm, 0.5);
  set_num_threads(2);
  EXPECT_TRUE(at::equal(one, ria_score(weight, norm, 0.5)));
  set_num_threads(before);
}

TEST(RiaScore, RefusesBadInput) {
  const auto message = [](const at::Tensor& norm, const RiaConfig& config) -> std::string {
    try {
      ria_keep_mask(kWeight, norm, config);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_THAT(message(torch::ones({3}), {}), testing::HasSubstr("needs input_norm [4], got [3]"));
  EXPECT_THAT(message(kNorm * -1, {}), testing::HasSubstr("negative or non-finite"));
  EXPECT_THAT(message(kNorm, {.power = -1}), testing::HasSubstr("power must be in [0, 2]"));
  EXPECT_THAT(message(kNorm, {.sparsity = 2}), testing::HasSubstr("sparsity must be in [0, 1]"));
}

}  // namespace
}  // namespace assay
