#include "compress/dsnot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "compress/wanda.h"

namespace assay {
namespace {

at::Tensor bools(const std::vector<int64_t>& row) {
  return torch::tensor(row).unsqueeze(0).to(at::kBool);
}

ChannelMoments ones(int64_t width) {
  return {torch::ones({width}), torch::ones({width}), torch::ones({width})};
}

// Means, norms and variances of 1, so D = W and score = |W|. Pruned {0, 1}: error 3 + 1 = 4.
// 1: regrow 0 (D 3), prune 4 (D -0.5, the lowest score of a negative D): 4 - 3 - 0.5 = 0.5.
// 2: regrow 1, prune 2: 0.5 - 1 - 2 = -2.5 has the other sign: stop.
TEST(Dsnot, MatchesHandComputedCase) {
  const auto weight = torch::tensor({{3.0f, 1.0f, -2.0f, 5.0f, -0.5f, 4.0f}});
  const auto keep = bools({0, 0, 1, 1, 1, 1});
  const auto result = dsnot_swap(keep, weight, ones(6), {});
  EXPECT_TRUE(at::equal(result.keep, bools({1, 0, 1, 1, 0, 1})));
  EXPECT_EQ(result.error_before.item<double>(), 4);
  EXPECT_EQ(result.error_after.item<double>(), 0.5);
  EXPECT_EQ(result.num_swaps, 1);
  EXPECT_TRUE(at::equal(keep, bools({0, 0, 1, 1, 1, 1})));  // not modified

  const auto turned = dsnot_swap(keep, weight, ones(6), {.parity_any_sign = true});
  EXPECT_TRUE(at::equal(turned.keep, bools({1, 1, 0, 1, 0, 1})));  // then no pruned D < 0 is left
  EXPECT_EQ(turned.error_after.item<double>(), -2.5);
  EXPECT_EQ(dsnot_swap(keep, weight, ones(6), {.max_cycles = 0}).num_swaps, 0);
  EXPECT_EQ(dsnot_swap(keep, weight, ones(6), {.threshold = 4}).num_swaps, 0);
  EXPECT_EQ(dsnot_swap(keep, -weight, ones(6), {}).error_after.item<double>(), -0.5);
}

// A variance of 10 makes column 0 (3 / 10) come after column 1 (1 / 1): 4 - 1 - 0.5 = 2.5, then
// 2.5 - 3 - 2 has the other sign. gamma = 0 leaves the variance out.
TEST(Dsnot, RegrowsWhereTheInputVariesLittle) {
  const auto weight = torch::tensor({{3.0f, 1.0f, -2.0f, 5.0f, -0.5f, 4.0f}});
  const auto keep = bools({0, 0, 1, 1, 1, 1});
  auto moments = ones(6);
  moments.variance = torch::tensor({10.0f, 1.0f, 0.0f, 0.0f, 0.0f, 0.0f});
  EXPECT_TRUE(at::equal(dsnot_swap(keep, weight, moments, {}).keep, bools({0, 1, 1, 1, 0, 1})));
  EXPECT_TRUE(at::equal(dsnot_swap(keep, weight, moments, {.variance_power = 0}).keep,
                        bools({1, 0, 1, 1, 0, 1})));
  moments.variance = torch::zeros({6});  // constant inputs: all equally first, lower column first
  EXPECT_TRUE(at::equal(dsnot_swap(keep, weight, moments, {}).keep, bools({1, 0, 1, 1, 0, 1})));
}

// Error 3 + 1 + 2 - 1 = 5. 1: regrow 0, prune 2 of its group: 5 - 3 - 0.5 = 1.5. Column 4 (D 2) has
// no negative D kept in its group, column 1 none left in its own: both are passed over.
// nm_lowest: 2: regrow 4, prune 5 (score 1): 1.5 - 2 + 1 = 0.5. 3: regrow 1, prune 3: 0: stop.
TEST(Dsnot, StaysWithinGroups) {
  const auto weight = torch::tensor({{3.0f, 1.0f, -0.5f, 0.5f, 2.0f, 1.0f, 4.0f, -1.0f}});
  const auto keep = bools({0, 0, 1, 1, 0, 1, 1, 0});
  DsnotConfig config{.pattern = NmPattern{2, 4}};
  auto result = dsnot_swap(keep, weight, ones(8), config);
  EXPECT_TRUE(at::equal(result.keep, bools({1, 0, 0, 1, 0, 1, 1, 0})));
  EXPECT_EQ(result.error_after.item<double>(), 1.5);
  config.parity_nm_lowest = true;
  result = dsnot_swap(keep, weight, ones(8), config);
  EXPECT_TRUE(at::equal(result.keep, bools({1, 0, 0, 1, 1, 0, 1, 0})));
  EXPECT_EQ(result.error_after.item<double>(), 0.5);
  EXPECT_EQ(result.num_swaps, 2);
}

struct Case {
  at::Tensor weight, keep;
  ChannelMoments moments;
};

Case random_case(uint64_t seed, std::optional<NmPattern> pattern, int64_t rows = 40) {
  at::manual_seed(seed);
  Case c;
  c.weight = torch::randn({rows, 96});
  c.moments = {torch::rand({96}) + 0.1, torch::randn({96}), torch::rand({96}) + 0.1};
  c.keep = wanda_keep_mask(c.weight, c.moments.norm, {.sparsity = 0.6, .pattern = pattern});
  return c;
}

// The rule read off the header: a scan of the row for every choice.
at::Tensor slow_row(const Case& c, int64_t row, const DsnotConfig& config) {
  const auto d = c.weight[row].to(at::kDouble) * c.moments.mean.to(at::kDouble);
  const auto rank = d.abs() / c.moments.variance.to(at::kDouble);
  const auto score = c.weight[row].abs() * c.moments.norm;
  const auto initial = c.keep[row];
  auto keep = initial.clone(), passed = at::zeros({96}, at::kBool);
  double error = d.masked_select(~initial).sum().item<double>();
  const double sign = error > 0 ? 1 : -1;
  for (int64_t swaps = 0; swaps < config.max_cycles && std::abs(error) > config.threshold;) {
    const auto regrow = ~initial & ~keep & ~passed & (d * sign > 0);
    if (!regrow.any().item<bool>()) break;
    const int64_t in = rank.masked_fill(~regrow, -1).argmax().item<int64_t>();
    auto prune = initial & keep & (d * sign < 0);
    if (config.pattern) {
      const int64_t m = config.pattern->of;
      prune = prune & (at::arange(96).div(m, "floor") == in / m);
    }
    if (!prune.any().item<bool>()) {
      if (!config.pattern) break;
      passed[in] = true;
      continue;
    }
    const int64_t out = score.masked_fill(~prune, INFINITY).argmin().item<int64_t>();
    const double after = error - d[in].item<double>() + d[out].item<double>();
    if (after * sign <= 0) break;
    keep[in] = true;
    keep[out] = false;
    error = after;
    ++swaps;
  }
  return keep;
}

TEST(Dsnot, AgreesWithTheDefinition) {
  for (const auto& pattern : {std::optional<NmPattern>{}, std::optional(NmPattern{2, 4}),
                              std::optional(NmPattern{4, 8})}) {
    for (const uint64_t seed : {1u, 2u}) {
      const auto c = random_case(seed, pattern, 12);
      const DsnotConfig config{.max_cycles = 6, .threshold = 0.01, .pattern = pattern};
      const auto result = dsnot_swap(c.keep, c.weight, c.moments, config);
      EXPECT_GT(result.num_swaps, 0);
      for (int64_t row = 0; row < 12; ++row)
        EXPECT_TRUE(at::equal(result.keep[row], slow_row(c, row, config))) << row;
    }
  }
}

TEST(Dsnot, KeepsCountsAndNeverAddsToTheError) {
  for (const auto& pattern : {std::optional<NmPattern>{}, std::optional(NmPattern{2, 4}),
                              std::optional(NmPattern{4, 8})}) {
    for (const uint64_t seed : {3u, 4u, 5u}) {
      const auto c = random_case(seed, pattern);
      const auto result = dsnot_swap(c.keep, c.weight, c.moments, {.pattern = pattern});
      EXPECT_GT(result.num_swaps, 0);
      const auto counts = [&](const at::Tensor& keep) {
        return keep.view({40, -1, pattern ? pattern->of : 96}).sum(2);
      };
      EXPECT_TRUE(at::equal(counts(result.keep), counts(c.keep)));
      EXPECT_EQ(2 * result.num_swaps, (result.keep != c.keep).sum().item<int64_t>());
      EXPECT_TRUE((result.error_after.abs() <= result.error_before.abs()).all().item<bool>());
      const auto d = c.weight.to(at::kDouble) * c.moments.mean.to(at::kDouble);
      EXPECT_TRUE(at::allclose(result.error_before, (d * ~c.keep).sum(1), 1e-12, 1e-12));
      EXPECT_TRUE(at::allclose(result.error_after, (d * ~result.keep).sum(1), 1e-12, 1e-12));
    }
  }
}

TEST(Dsnot, IsTheSameForAnyThreads) {
  const auto c = random_case(6, std::nullopt, 1500);
  const int64_t before = num_threads();
  set_num_threads(1);
  const auto one = dsnot_swap(c.keep, c.weight, c.moments, {});
  set_num_threads(2);
  const auto two = dsnot_swap(c.keep, c.weight, c.moments, {});
  set_num_threads(before);
  EXPECT_TRUE(at::equal(one.keep, two.keep));
  EXPECT_TRUE(at::equal(one.error_after, two.error_after));
}

TEST(Dsnot, RefusesBadInput) {
  const auto weight = torch::ones({2, 4});
  const auto keep = torch::ones({2, 4}, at::kBool);
  const auto message = [&](const at::Tensor& mask, const ChannelMoments& moments,
                           const DsnotConfig& config) -> std::string {
    try {
      dsnot_swap(mask, weight, moments, config);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_THAT(message(torch::ones({2, 4}), ones(4), {}), testing::HasSubstr("a bool mask"));
  EXPECT_THAT(message(keep, ones(3), {}),
              testing::HasSubstr("the input norm must be [4], got [3]"));
  auto bad = ones(4);
  bad.mean[1] = NAN;
  EXPECT_THAT(message(keep, bad, {}), testing::HasSubstr("the input mean has an entry"));
  bad = ones(4);
  bad.variance[2] = -1;
  EXPECT_THAT(message(keep, bad, {}), testing::HasSubstr("negative entry"));
  EXPECT_THAT(message(keep, ones(4), {.max_cycles = -1}), testing::HasSubstr("max_cycles"));
  EXPECT_THAT(message(keep, ones(4), {.threshold = NAN}), testing::HasSubstr("threshold"));
}

}  // namespace
}  // namespace assay
