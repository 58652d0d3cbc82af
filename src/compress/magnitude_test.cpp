#include "compress/magnitude.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "base/error.h"

namespace assay {
namespace {

// The worked example T1 of docs/methods: |W| ascending is .1 .2 .3 .4 .5 .8 .9 1.0, so t =
// sorted[int(8 * 0.5)] = 0.5 and five of eight go.
TEST(MagnitudeKeepMask, MatchesHandComputedCase) {
  const auto weight = torch::tensor({{0.5f, -1.0f, 0.2f, 0.8f}, {-0.3f, 0.4f, 0.9f, -0.1f}});
  const auto expected = torch::tensor({{0, 1, 0, 1}, {0, 0, 1, 0}}).to(at::kBool);
  EXPECT_TRUE(at::equal(magnitude_keep_mask(weight, {.sparsity = 0.5}), expected));
  // Exactly four: 0.5 stays.
  const auto exact = torch::tensor({{1, 1, 0, 1}, {0, 0, 1, 0}}).to(at::kBool);
  EXPECT_TRUE(
      at::equal(magnitude_keep_mask(weight, {.sparsity = 0.5, .exact_count = true}), exact));
  // 2:4: the two smallest of each row.
  const auto nm = torch::tensor({{0, 1, 0, 1}, {0, 1, 1, 0}}).to(at::kBool);
  EXPECT_TRUE(at::equal(magnitude_keep_mask(weight, {.pattern = NmPattern{2, 4}}), nm));
}

TEST(MagnitudeKeepMask, GuardsTheEndsOfTheThresholdRule) {
  const auto weight = torch::tensor({{3.0f, -1.0f}, {1.0f, 2.0f}});
  EXPECT_TRUE(magnitude_keep_mask(weight, {.sparsity = 0}).all().item<bool>());
  EXPECT_FALSE(magnitude_keep_mask(weight, {.sparsity = 1}).any().item<bool>());
  // The reference prunes sorted[0] and its tie even at sparsity 0.
  const auto quirk = torch::tensor({{1, 0}, {0, 1}}).to(at::kBool);
  EXPECT_TRUE(
      at::equal(magnitude_keep_mask(weight, {.sparsity = 0, .parity_zero_ratio = true}), quirk));
}

TEST(MagnitudeKeepMask, DoesNotChangeWhenWeightsAreScaled) {
  for (const uint64_t seed : {1u, 2u, 3u}) {
    at::manual_seed(seed);
    const auto weight = torch::randn({24, 48}).to(at::kHalf);  // fp16: ties
    const auto scaled = weight.to(at::kFloat) * 0.25;          // a power of two is exact
    for (const MagnitudeConfig& config : {MagnitudeConfig{.sparsity = 0.4},
                                          {.sparsity = 0.4, .exact_count = true},
                                          {.pattern = NmPattern{4, 8}}}) {
      EXPECT_TRUE(
          at::equal(magnitude_keep_mask(weight, config), magnitude_keep_mask(scaled, config)));
    }
  }
}

TEST(MagnitudeKeepMask, MasksNestAsSparsityGrows) {
  at::manual_seed(4);
  const auto weight = (torch::randn({20, 30}) * 5).round();
  auto larger = magnitude_keep_mask(weight, {.sparsity = 0});
  for (const double sparsity : {0.1, 0.3, 0.5, 0.7, 0.9, 1.0}) {
    const auto keep = magnitude_keep_mask(weight, {.sparsity = sparsity});
    EXPECT_FALSE((keep & ~larger).any().item<bool>()) << sparsity;
    EXPECT_GE((~keep).sum().item<int64_t>(), static_cast<int64_t>(600 * sparsity));
    larger = keep;
  }
}

TEST(MagnitudeKeepMask, PatternsKeepNOfMAreIdempotentAndNest) {
  at::manual_seed(5);
  const auto weight = torch::randn({12, 32});
  const auto zeros_in = [](const at::Tensor& keep, int64_t m) {
    return (~keep).view({keep.size(0), -1, m}).sum(2);  // zeros of each group
  };
  for (const NmPattern p : {NmPattern{1, 2}, {2, 4}, {4, 8}, {1, 4}}) {
    const auto keep = magnitude_keep_mask(weight, {.pattern = p});
    EXPECT_TRUE((zeros_in(keep, p.of) == p.of - p.keep).all().item<bool>());
    EXPECT_TRUE(at::equal(magnitude_keep_mask(weight * keep, {.pattern = p}), keep));
  }
  // Every 1:2 mask is a valid 2:4 mask, and every 2:4 mask a valid 4:8 mask.
  EXPECT_TRUE((zeros_in(magnitude_keep_mask(weight, {.pattern = NmPattern{1, 2}}), 4) == 2)
                  .all()
                  .item<bool>());
  EXPECT_TRUE((zeros_in(magnitude_keep_mask(weight, {.pattern = NmPattern{2, 4}}), 8) == 4)
                  .all()
                  .item<bool>());
}

TEST(MagnitudeKeepMask, RefusesWeightsThatAreNotFinite) {
  auto weight = torch::ones({2, 3});
  weight[1][2] = NAN;
  try {
    magnitude_keep_mask(weight, {});
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind, ErrorKind::kBadInput);
    EXPECT_THAT(e.what(), testing::HasSubstr(
                              "magnitude: weight has a value that is not finite: nan at [1, 2]"));
  }
  EXPECT_THROW(magnitude_keep_mask(torch::ones({3}), {}), Error);
  EXPECT_THROW(magnitude_keep_mask(torch::ones({2, 2}), {.sparsity = -0.1}), Error);
}

}  // namespace
}  // namespace assay
