#include "compress/awq_scale.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/thread_pool.h"

namespace assay {
namespace {

// T1: |x| sums to 2.5 3.5 3.5 1.5 over three tokens.
const at::Tensor kTokens =
    torch::tensor({{1.0f, 0.5f, -2.0f, 0.0f}, {0.5f, 1.0f, 1.0f, 1.0f}, {-1.0f, 2.0f, 0.5f, 0.5f}});

// r = 0.5: roots 0.912871 1.080123 1.080123 0.707107; sqrt(max * min) = sqrt(0.763763) = 0.873936.
TEST(AwqScale, MatchesHandComputedCase) {
  const auto x_mean = mean_magnitude(kTokens);
  EXPECT_TRUE(at::allclose(x_mean, torch::tensor({2.5f, 3.5f, 3.5f, 1.5f}) / 3));
  EXPECT_TRUE(at::allclose(awq_scale(x_mean, 10, AwqScaleRule::kInputs),
                           torch::tensor({1.044552f, 1.235931f, 1.235931f, 0.809107f}), 1e-6,
                           1e-6));
}

TEST(AwqScale, LargestTimesSmallestIsOne) {
  at::manual_seed(1);
  const auto x_mean = torch::rand({77}).pow(4), w_mean = torch::rand({77});
  for (const AwqScaleRule rule : {AwqScaleRule::kInputs, AwqScaleRule::kDuo}) {
    for (int64_t point = 0; point < kAwqGridPoints; ++point) {
      const auto scale = awq_scale(x_mean, point, rule, w_mean);
      EXPECT_NEAR((scale.amax() * scale.amin()).item<float>(), 1, 1e-6);
    }
  }
}

// A channel that is never active would take 0^r = 0: it is held at 1e-4 before normalization.
TEST(AwqScale, SilentChannelTakesTheLeastScale) {
  const auto x_mean = torch::tensor({0.0f, 1.0f});
  const auto one = awq_scale(x_mean, 0, AwqScaleRule::kInputs);
  EXPECT_TRUE(at::equal(one, torch::ones({2})));  // 0^0 = 1
  const auto half = awq_scale(x_mean, 10, AwqScaleRule::kInputs);
  EXPECT_TRUE(at::allclose(half, torch::tensor({0.01f, 100.0f}), 1e-5));  // / sqrt(1e-4 * 1)
}

// Duo, r = 0.5, by hand: groups of 2; |w| / (largest + 1e-6) of rows [1 -2 | 4 4] and [3 3 | 0 1]
// is .5 1 1 1 and 1 1 0 1: w_mean = .75 1 .5 1. s = sqrt(x) / (sqrt(w_mean) + 1e-4).
TEST(AwqScale, DuoWeighsWeightsToo) {
  const std::vector<at::Tensor> weights{torch::tensor({{1.0f, -2.0f, 4.0f, 4.0f}}),
                                        torch::tensor({{3.0f, 3.0f, 0.0f, 1.0f}})};
  const auto w_mean = relative_weight_magnitude(weights, {.group_size = 2});
  EXPECT_TRUE(at::allclose(w_mean, torch::tensor({0.75f, 1.0f, 0.5f, 1.0f}), 1e-6, 1e-6));
  const auto x_mean = torch::tensor({1.0f, 4.0f, 1.0f, 1.0f});
  const auto raw = x_mean.sqrt() / (w_mean.sqrt() + 1e-4);  // 1.1546 1.9998 1.4140 0.9999
  EXPECT_TRUE(at::allclose(awq_scale(x_mean, 10, AwqScaleRule::kDuo, w_mean),
                           raw / (raw.amax() * raw.amin()).sqrt(), 1e-5));
}

// Powers up to 1e38^0.95 = 1.3e36 overflow when multiplied, and nothing divided by infinity is
// left.
TEST(AwqScale, RefusesWhatOverflows) {
  const auto x_mean = torch::tensor({1e38f, 1e37f}), w_mean = torch::full({2}, 0.5f);
  EXPECT_THROW(awq_scale(x_mean, 19, AwqScaleRule::kInputs), Error);
  EXPECT_THROW(awq_scale(x_mean, 19, AwqScaleRule::kDuo, w_mean), Error);  // s / inf = 0
  EXPECT_THROW(awq_scale(w_mean, 20, AwqScaleRule::kInputs), Error);       // no such point
  EXPECT_THROW(awq_scale(w_mean, 1, AwqScaleRule::kDuo), Error);           // needs w_mean
}

TEST(AwqScale, PointZeroIsRoundingToNearest) {
  at::manual_seed(2);
  const auto weight = torch::randn({9, 64}), inputs = torch::randn({50, 64});
  const AwqQuantizerConfig config{.bits = 3, .group_size = 16};
  const auto scale = awq_scale(mean_magnitude(inputs), 0, AwqScaleRule::kInputs);
  EXPECT_TRUE(at::equal(scale, torch::ones({64})));
  const auto grid = fit_awq_grid(weight, config);
  EXPECT_TRUE(at::equal(awq_scaled_values(weight, scale, config),
                        dequantize(quantize(weight, grid), grid)));
}

// Sums over four parts; the search must find the first least total whatever it leaves off.
TEST(LeastLoss, IsTheFirstLeastSum) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    at::manual_seed(seed);
    // Few distinct values, so that totals tie often.
    const auto parts = torch::randint(0, 3, {20, 4}, torch::kDouble);
    const auto totals = parts.sum(1);
    const auto search = least_loss(
        20, 4, [&](int64_t point, int64_t part) { return parts[point][part].item<double>(); });
    const double least = totals.amin().item<double>();
    EXPECT_EQ(search.loss, least);
    EXPECT_EQ(search.point, (totals == least).nonzero()[0].item<int64_t>());
    for (int64_t point = 0; point < 20; ++point) {
      const double bound = search.losses[static_cast<size_t>(point)];
      EXPECT_GE(bound, least);
      EXPECT_LE(bound, totals[point].item<double>());
    }
  }
}

TEST(LeastLoss, RefusesWhatIsNoLoss) {
  for (const double bad : {-1.0, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_THROW(least_loss(2, 2, [&](int64_t, int64_t) { return bad; }), Error);
  }
}

struct LinearCase {
  at::Tensor weight, inputs;
};

// A few channels ten times as large as the others, as in language models.
LinearCase linear_case(uint64_t seed, int64_t tokens, int64_t out, int64_t in) {
  at::manual_seed(seed);
  auto inputs = torch::randn({tokens, in});
  inputs.mul_(torch::where(torch::rand({in}) < 0.05, 10.0, 1.0));
  return {torch::randn({out, in}) / std::sqrt(static_cast<double>(in)), inputs};
}

TEST(SearchLinearScale, AgreesWithItsDefinitionInBothForms) {
  for (const int64_t tokens : {40, 300}) {  // over the tokens, and over their Gram matrix
    for (const uint64_t seed : {1u, 2u}) {
      for (const AwqScaleRule rule : {AwqScaleRule::kInputs, AwqScaleRule::kDuo}) {
        SCOPED_TRACE(testing::Message() << tokens << ' ' << seed);
        const auto c = linear_case(seed, tokens, 300, 96);
        const AwqQuantizerConfig config{.bits = 3, .group_size = 32};
        const auto fast = search_linear_scale(c.weight, c.inputs, rule, config);
        const auto plain = search_linear_scale_plain(c.weight, c.inputs, rule, config);
        EXPECT_EQ(fast.search.point, plain.search.point);
        EXPECT_TRUE(at::equal(fast.scale, plain.scale));
        // The plain loss takes differences of float32 outputs: their rounding is 1e-7 of the
        // output, 1e-5 of the difference.
        EXPECT_NEAR(fast.search.loss / plain.search.loss, 1, 1e-5);
        EXPECT_LE(fast.search.parts_seen, 40);
      }
    }
  }
}

TEST(SearchLinearScale, SalientChannelsArePaidFor) {
  const auto c = linear_case(4, 600, 256, 160);
  const auto choice =
      search_linear_scale(c.weight, c.inputs, AwqScaleRule::kInputs, {.bits = 3, .group_size = 32});
  EXPECT_GT(choice.search.point, 0);
  EXPECT_LT(choice.search.loss, 0.7 * choice.search.losses[0]);
}

TEST(SearchLinearScale, DoesNotDependOnTheNumberOfThreads) {
  const int64_t threads = num_threads();
  for (const int64_t tokens : {40, 300}) {
    const auto c = linear_case(5, tokens, 300, 96);
    set_num_threads(1);
    const auto one = search_linear_scale(c.weight, c.inputs, AwqScaleRule::kInputs, {});
    set_num_threads(2);
    const auto two = search_linear_scale(c.weight, c.inputs, AwqScaleRule::kInputs, {});
    EXPECT_TRUE(at::equal(one.scale, two.scale));
    EXPECT_EQ(one.search.losses, two.search.losses);
  }
  set_num_threads(threads);
}

TEST(SearchLinearScale, RefusesWhatIsNotFinite) {
  const auto weight = torch::ones({4, 8});
  const auto search = [&](const at::Tensor& inputs) {
    search_linear_scale(weight, inputs, AwqScaleRule::kInputs, {});
  };
  EXPECT_THROW(search(torch::full({3, 8}, NAN)), Error);
  EXPECT_THROW(search(torch::ones({3, 9})), Error);
}

}  // namespace
}  // namespace assay
