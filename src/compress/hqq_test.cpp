#include "compress/hqq.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "base/error.h"
#include "base/thread_pool.h"
#include "compress/rtn.h"

namespace assay {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

// 2 bit, one group: lo = -0.3, hi = 0.9: scale = 1.2 / 3 = 0.4, zero = round(0.75) = 1.
//   w          -0.3   0.4   0.9   0.1
//   w / s      -0.75  1     2.25  0.25
//   code        0     2     3     1        = round(w / s) + 1
//   value      -0.4   0.4   0.8   0        errors 0.1 0 0.1 0.1: mean 0.075
// All errors lie below 10^(-1/1.3) = 0.17, so E = 0 and z = mean(code - w / s) = (0.75 + 1 + 0.75 +
// 0.75) / 4 = 0.8125. Then
//   w / s + z   0.0625 1.8125 3.0625 1.0625: the same codes
//   value      -0.325  0.475  0.875  0.075    errors 0.025 0.075 0.025 0.025: mean 0.0375
// and z is its own next step, so the error no longer falls.
TEST(Hqq, MatchesHandComputedCase) {
  const auto weight = torch::tensor({{-0.3f, 0.4f, 0.9f, 0.1f}});
  const auto result = hqq_quantize(weight, {.bits = 2});
  EXPECT_TRUE(at::equal(result.codes, torch::tensor({{0, 2, 3, 1}}).to(at::kByte)));
  EXPECT_NEAR(result.grid.scale.item<float>(), 0.4f, 1e-7f);
  EXPECT_NEAR(result.grid.zero.item<float>(), 0.8125f, 1e-6f);
  EXPECT_TRUE(at::allclose(result.values, torch::tensor({{-0.325f, 0.475f, 0.875f, 0.075f}})));
  EXPECT_NEAR(result.first_error, 0.075, 1e-7);
  EXPECT_NEAR(result.error, 0.0375, 1e-7);
  EXPECT_LE(result.iterations, 3);
}

// Large weights, so that errors exceed the threshold 0.17: with scale 4 and zero 1 as above times
// ten, errors are 1 0 1 1 with signs of w - v: + 0 + +. shrink(1) = 1 - 1 / 10 = 0.9, so
// z = mean(code - (w - e) / s) = (0.75 + 0.225) + (1) + (0.75 + 0.225) + (0.75 + 0.225) over 4 =
// 3.925 / 4.
TEST(Hqq, LargeErrorsAreLeftToTheRobustTerm) {
  const auto weight = torch::tensor({{-3.0f, 4.0f, 9.0f, 1.0f}});
  const auto result = hqq_quantize(weight, {.bits = 2, .iterations = 1, .parity_last_zero = true});
  EXPECT_NEAR(result.grid.zero.item<float>(), 3.925f / 4, 1e-6f);
}

struct Case {
  int64_t bits, group_size;
};
constexpr Case kCases[] = {{2, 64}, {3, 64}, {4, 64}, {4, 24}, {8, 64}, {3, -1}};

TEST(Hqq, NoIterationIsRoundToNearest) {
  at::manual_seed(1);
  const auto weight = torch::randn({9, 80});
  for (const Case& c : kCases) {
    for (const bool parity : {false, true}) {
      const auto result = hqq_quantize(weight, {.bits = c.bits,
                                                .group_size = c.group_size,
                                                .iterations = 0,
                                                .parity_last_zero = parity});
      const auto rtn = rtn_quantize(weight, {{.bits = c.bits, .group_size = c.group_size}});
      EXPECT_TRUE(at::equal(result.codes, rtn.codes));
      EXPECT_TRUE(at::equal(result.values, rtn.values));
      EXPECT_EQ(result.iterations, 0);
      EXPECT_EQ(result.error, result.first_error);
    }
  }
}

double mean_power(const at::Tensor& error, double p) {
  return error.to(at::kDouble).abs().pow(p).mean().item<double>();
}

// The guarantee is on mean |error|, by which the best zeros are chosen. The loss sum |error|^p
// falls with it on normal weights. On heavy tails, where most weights of a group are nearly zero, a
// zero that is a level serves the loss better, and it may rise.
TEST(Hqq, IsNeverWorseThanRoundToNearest) {
  for (const uint64_t seed : {1u, 2u, 3u}) {
    at::manual_seed(seed);
    const auto normal = torch::randn({17, 200});
    for (const auto& weight : {normal * 0.02, normal, normal.pow(3)}) {
      for (const Case& c : kCases) {
        SCOPED_TRACE(c.bits);
        const auto result = hqq_quantize(weight, {.bits = c.bits, .group_size = c.group_size});
        const auto rtn = rtn_quantize(weight, {{.bits = c.bits, .group_size = c.group_size}});
        EXPECT_LE(result.error, result.first_error);
        EXPECT_NEAR(result.error / mean_power(weight - result.values, 1), 1, 1e-6);
        EXPECT_NEAR(result.first_error / mean_power(weight - rtn.values, 1), 1, 1e-6);
        const double loss = mean_power(weight - result.values, 0.7);
        const double start = mean_power(weight - rtn.values, 0.7);
        EXPECT_TRUE(loss <= start || weight.abs().max().item<double>() > 10) << loss / start;
      }
    }
  }
}

// The definition in torch's own operators, all groups at once.
at::Tensor defined_zero(const at::Tensor& weight, const HqqConfig& config) {
  const auto groups = weight.view({weight.size(0), -1, config.group_size});
  const auto grid = fit_grid(weight, {.bits = config.bits, .group_size = config.group_size});
  const auto scale = grid.scale.unsqueeze(2);
  auto zero = grid.zero.unsqueeze(2), best = zero;
  double beta = config.beta, least = INFINITY;
  for (int64_t t = 0; t <= config.iterations; ++t, beta *= config.kappa) {
    const auto code = (groups / scale + zero).round().clamp(0, grid.max_code);
    const auto difference = groups - scale * (code - zero);
    const double error = difference.abs().to(at::kDouble).mean().item<double>();
    if (!(error < least)) break;
    least = error;
    best = zero;
    const auto kept =
        difference.sign() * (difference.abs() - difference.abs().pow(config.p - 1) / beta).relu();
    zero = (code - (groups - kept) / scale).to(at::kDouble).mean(2, true).to(at::kFloat);
  }
  return best.squeeze(2);
}

TEST(Hqq, AgreesWithTheDefinitionInTensorOperations) {
  for (const uint64_t seed : {1u, 2u, 3u}) {
    at::manual_seed(seed);
    for (const double size : {0.02, 1.0, 30.0}) {  // 30: most errors exceed the threshold
      const auto weight = torch::randn({33, 192}) * size;
      for (const int64_t bits : {2, 3, 4}) {
        const HqqConfig config{.bits = bits};
        const auto result = hqq_quantize(weight, config);
        const auto expected = defined_zero(weight, config);
        // Where x / s + z lies within float32's rounding of a half, one code and its group's later
        // zeros may differ; nowhere else.
        const auto near = (result.grid.zero - expected).abs() < 1e-4;
        EXPECT_GE(near.sum().item<int64_t>(), near.numel() - 1)
            << seed << ' ' << size << ' ' << bits;
      }
    }
  }
}

TEST(Hqq, ATailIsAGroupOfItsOwn) {
  at::manual_seed(4);
  const auto weight = torch::randn({5, 150});
  const auto result = hqq_quantize(weight, {});
  EXPECT_EQ(result.grid.scale.size(1), 3);  // 64 + 64 + 22
  EXPECT_EQ(hqq_bits(150, {}), 4 + 32.0 * 3 / 150);
  EXPECT_EQ(hqq_bits(4096, {}), 4.5);
  EXPECT_EQ(hqq_bits(40, {.bits = 2}), 2 + 32.0 / 40);
  EXPECT_EQ(hqq_bits(64, {.group_size = -1}), 4.5);
}

TEST(Hqq, AZeroGroupStaysZero) {
  const auto result = hqq_quantize(torch::zeros({2, 128}), {});
  EXPECT_TRUE(at::equal(result.values, torch::zeros({2, 128})));
}

// The reference keeps the zeros of its last step: those after the best ones.
TEST(Hqq, LastZeroIsAParityFlag) {
  at::manual_seed(5);
  const auto weight = torch::randn({8, 128}) * 0.02;
  const auto best = hqq_quantize(weight, {.bits = 3});
  const auto last = hqq_quantize(weight, {.bits = 3, .parity_last_zero = true});
  EXPECT_EQ(last.iterations, best.iterations);
  EXPECT_GE(last.error, best.error);
  EXPECT_NEAR(last.error / mean_power(weight - last.values, 1), 1, 1e-6);
}

TEST(Hqq, DoesNotDependOnTheNumberOfThreads) {
  at::manual_seed(6);
  const auto weight = torch::randn({300, 300});
  const int64_t threads = num_threads();
  set_num_threads(1);
  const auto one = hqq_quantize(weight, {});
  set_num_threads(2);
  const auto two = hqq_quantize(weight, {});
  set_num_threads(threads);
  EXPECT_TRUE(at::equal(one.values, two.values));
  EXPECT_EQ(one.error, two.error);
}

TEST(Hqq, RefusesWhatHasNoGrid) {
  const auto weight = torch::ones({1, 4});
  EXPECT_THAT([&] { hqq_quantize(weight, {.bits = 1}); },
              ThrowsMessage<Error>(HasSubstr("bits must be in [2, 8], got 1")));
  EXPECT_THROW(hqq_quantize(weight, {.bits = 9}), Error);
  EXPECT_THROW(hqq_quantize(weight, {.group_size = 0}), Error);
  EXPECT_THROW(hqq_quantize(weight, {.p = 0}), Error);
  EXPECT_THROW(hqq_quantize(weight, {.p = NAN}), Error);
  EXPECT_THROW(hqq_quantize(weight, {.beta = 0}), Error);
  EXPECT_THROW(hqq_quantize(weight, {.kappa = 0.5}), Error);
  EXPECT_THROW(hqq_quantize(weight, {.iterations = -1}), Error);
  EXPECT_THAT(
      [] {
        hqq_quantize(torch::full({1, 4}, NAN), {});
      },
      ThrowsMessage<Error>(HasSubstr("not finite")));
}

}  // namespace
}  // namespace assay
