#include "compress/gblm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <vector>

#include "base/error.h"
#include "compress/selection_plain.h"
#include "compress/wanda.h"

namespace assay {
namespace {

const at::Tensor kWeight = torch::tensor({{0.5f, -1.0f, 0.2f, 0.8f}, {-0.3f, 0.4f, 0.9f, -0.1f}});
const at::Tensor kNorm = torch::tensor({2.25f, 5.25f, 5.25f, 1.25f}).sqrt();
const at::Tensor kGradient =
    torch::tensor({{0.01f, 0.002f, 0.05f, 0.004f}, {0.003f, 0.02f, 0.001f, 0.06f}});

at::Tensor mask(const std::vector<int64_t>& entries, int64_t rows) {
  return torch::tensor(entries).view({rows, -1}).to(at::kBool);
}

// T1: |W| * norm + 100 |W| g =
//   | 0.75 + 0.5   2.2913 + 0.2  0.4583 + 1.0   0.8944 + 0.32 | = | 1.25  2.4913  1.4583  1.2144 |
//   | 0.45 + 0.09  0.9165 + 0.8  2.0622 + 0.09  0.1118 + 0.6  |   | 0.54  1.7165  2.1522  0.7118 |
// half of each row goes: {0, 3} and {0, 3}, where Wanda takes {0, 2} of row 0.
TEST(GblmKeepMask, MatchesHandComputedCase) {
  const auto score = torch::tensor(
      {{1.25f, 2.491288f, 1.458258f, 1.214427f}, {0.54f, 1.716515f, 2.152159f, 0.711803f}});
  EXPECT_TRUE(at::allclose(gblm_score(kWeight, kNorm, kGradient, 128, {}), score, 0, 1e-6));
  const auto expected = mask({0, 1, 1, 0, 0, 1, 1, 0}, 2);
  for (const auto norm : {GradientNorm::kL1, GradientNorm::kL2}) {
    EXPECT_TRUE(
        at::equal(gblm_keep_mask(kWeight, kNorm, kGradient, 128, {.norm = norm}), expected));
    const GblmConfig one_sample{.norm = norm, .parity_sample_count = true};
    EXPECT_TRUE(at::equal(gblm_keep_mask(kWeight, kNorm, kGradient, 1, one_sample), expected));
  }
  const GblmConfig two_four{.pattern = NmPattern{2, 4}};
  EXPECT_TRUE(at::equal(gblm_keep_mask(kWeight, kNorm, kGradient, 128, two_four), expected));
}

// |W| g = | 0.005  0.002  0.01  0.0032 |: {1, 3} go.  Wanda / g = |  75  1146    9.2   224 |: {0,
// 2}
//         | 0.0009 0.008 0.0009 0.006  |: {0, 2} go,             | 150  45.8  2062    1.86 |: {1,
//         3}
// 0.3 * 0.003 and 0.9 * 0.001 need no order: both go.
TEST(GblmKeepMask, VariantsMatchHandComputedCases) {
  EXPECT_TRUE(
      at::equal(gblm_keep_mask(kWeight, kNorm, kGradient, 128, {.score = GblmScore::kGradient}),
                mask({1, 0, 1, 0, 0, 1, 0, 1}, 2)));
  EXPECT_TRUE(
      at::equal(gblm_keep_mask(kWeight, kNorm, kGradient, 128, {.score = GblmScore::kInverse}),
                mask({0, 1, 0, 1, 1, 0, 1, 0}, 2)));
}

TEST(GblmKeepMask, WithoutGradientIsWanda) {
  for (const uint64_t seed : {1u, 2u, 3u}) {
    at::manual_seed(seed);
    const auto weight = torch::randn({16, 70}), norm = torch::rand({70}),
               gradient = torch::rand({16, 70});
    const auto wanda = wanda_keep_mask(weight, norm, {.sparsity = 0.6});
    EXPECT_TRUE(
        at::equal(gblm_keep_mask(weight, norm, gradient, 7, {.sparsity = 0.6, .alpha = 0}), wanda));
    EXPECT_TRUE(at::equal(
        gblm_keep_mask(weight, norm, torch::zeros({16, 70}), 7, {.sparsity = 0.6}), wanda));
    const auto pattern = wanda_keep_mask(weight, norm, {.pattern = NmPattern{4, 8}});
    EXPECT_TRUE(at::equal(
        gblm_keep_mask(weight, norm, gradient, 7, {.pattern = NmPattern{4, 8}, .alpha = 0}),
        pattern));
  }
}

// With S samples of equal gradients g, L1 = S g and L2 = sqrt(S) g: after the scale both are what
// 128 samples would give, so the mask does not depend on S.
TEST(GblmKeepMask, IsThatOf128SamplesWhateverTheirNumber) {
  EXPECT_DOUBLE_EQ(gblm_sample_scale(GradientNorm::kL1, 32), 4);
  EXPECT_DOUBLE_EQ(gblm_sample_scale(GradientNorm::kL2, 32), 2);
  at::manual_seed(4);
  const auto weight = torch::randn({16, 64}), norm = torch::rand({64}),
             g = torch::rand({16, 64}) * 0.01;
  for (const auto kind : {GradientNorm::kL1, GradientNorm::kL2}) {
    const auto sum = [&](double samples) {
      return g * (kind == GradientNorm::kL1 ? samples : std::sqrt(samples));
    };
    const auto expected = gblm_keep_mask(weight, norm, sum(128), 128, {.norm = kind});
    for (const int64_t samples : {2, 8, 512}) {  // ratios that are exact in float32
      const auto keep =
          gblm_keep_mask(weight, norm, sum(static_cast<double>(samples)), samples, {.norm = kind});
      EXPECT_TRUE(at::equal(keep, expected)) << samples;
    }
    EXPECT_FALSE(at::equal(
        gblm_keep_mask(weight, norm, sum(2), 2, {.norm = kind, .parity_sample_count = true}),
        expected));
  }
}

TEST(GblmKeepMask, AgreesWithTheDefinition) {
  at::manual_seed(5);
  const auto weight = torch::randn({33, 90}), norm = torch::rand({90}),
             gradient = torch::rand({33, 90}) * 0.02;
  const auto score = weight.abs() * norm + weight.abs() * (gradient * (3 * 128.0 / 64));
  const GblmConfig config{.sparsity = 0.7, .norm = GradientNorm::kL1, .alpha = 3};
  EXPECT_TRUE(at::equal(gblm_keep_mask(weight, norm, gradient, 64, config),
                        plain::keep_largest_per_row(score, 62)));  // int(0.7 * 90)
  EXPECT_TRUE(
      ((~gblm_keep_mask(weight, norm, gradient, 64, config)).sum(1) == 62).all().item<bool>());
}

// The authors' order of operations: fp32 |w| * sqrt(a), plus an fp16 product of fp16 |w| and fp16
// G.
TEST(GblmKeepMask, HalfGradientRoundsLikeTheReference) {
  at::manual_seed(6);
  const auto weight = torch::randn({24, 64}).to(at::kHalf), norm = torch::rand({64}),
             gradient = (torch::rand({24, 64}) * 1e-3).to(at::kHalf);
  const auto score = weight.abs().to(at::kFloat) * norm + (weight.abs() * gradient).to(at::kFloat);
  const GblmConfig config{.parity_half = true};
  EXPECT_TRUE(at::equal(gblm_keep_mask(weight, norm, gradient, 5, config),
                        plain::keep_largest_per_row(score, 32)));
  const auto inverse = weight.abs().to(at::kFloat) * norm * (1 / gradient).to(at::kFloat);
  const GblmConfig inverted{.score = GblmScore::kInverse, .parity_half = true};
  EXPECT_TRUE(at::equal(gblm_keep_mask(weight, norm, gradient, 5, inverted),
                        plain::keep_largest_per_row(inverse, 32)));
}

TEST(GblmKeepMask, RefusesBadInput) {
  const auto message = [](const at::Tensor& norm, const at::Tensor& gradient,
                          const GblmConfig& config, int64_t samples = 128) -> std::string {
    try {
      gblm_keep_mask(kWeight, norm, gradient, samples, config);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_THAT(message(torch::ones({3}), kGradient, {}), testing::HasSubstr("needs input_norm [4]"));
  EXPECT_THAT(message(kNorm, torch::ones({2, 3}), {}),
              testing::HasSubstr("a gradient of its shape"));
  EXPECT_THAT(message(kNorm, -kGradient, {}), testing::HasSubstr("negative entry"));
  EXPECT_THAT(message(kNorm, kGradient * NAN, {}),
              testing::HasSubstr("gblm: gradient has a value"));
  EXPECT_THAT(message(kNorm, kGradient, {.alpha = -1}), testing::HasSubstr("alpha must be >= 0"));
  EXPECT_THAT(message(kNorm, kGradient, {}, 0), testing::HasSubstr("must be positive, got 0"));
  EXPECT_THAT(message(kNorm, kGradient, {.parity_half = true}), testing::HasSubstr("float16"));
  EXPECT_THAT(message(kNorm, kGradient.to(at::kHalf), {}), testing::HasSubstr("float16"));
  EXPECT_THAT(message(kNorm, torch::full({2, 4}, 3e38f), {}), testing::HasSubstr("gblm: score"));
}

}  // namespace
}  // namespace assay
