#include "compress/awq_quantizer.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "base/error.h"
#include "base/thread_pool.h"

namespace assay {
namespace {

struct Quantized {
  QuantGrid grid;
  at::Tensor codes, values;
};

Quantized quantized(const at::Tensor& weight, const AwqQuantizerConfig& config) {
  const auto grid = fit_awq_grid(weight, config);
  const auto codes = quantize(weight, grid);
  return {grid, codes, dequantize(codes, grid)};
}

// The spec's group: (0.9 - 0.32) / 15 = 0.0386667; -round(0.32 / 0.0386667 = 8.28) = -8 is clamped
// to 0, so that codes are round(w / scale) = 8.28 10.34 23.28 12.93 -> 8 10 15 13, and 0.9 becomes
// 15 * 0.0386667 = 0.58.
TEST(AwqQuantizer, PositiveGroupIsNotWidenedToZero) {
  const auto q = quantized(torch::tensor({{0.32f, 0.4f, 0.9f, 0.5f}}), {.group_size = 4});
  EXPECT_NEAR(q.grid.scale.item<float>(), 0.0386667, 1e-7);
  EXPECT_EQ(q.grid.zero.item<float>(), 0);
  EXPECT_TRUE(at::equal(q.codes, torch::tensor({{8, 10, 15, 13}}).to(at::kByte))) << q.codes;
  EXPECT_TRUE(at::allclose(q.values, torch::tensor({{0.309333f, 0.386667f, 0.58f, 0.502667f}}),
                           1e-5, 1e-6));
}

// Negative alone: min -0.9, scale 0.58 / 15, zero = min(round(23.28), 15) = 15; -0.9 -> -23 + 15 is
// clamped to 0: value -15 * 0.0386667 = -0.58.
TEST(AwqQuantizer, NegativeGroupClipsAtTheOtherEnd) {
  const auto q = quantized(torch::tensor({{-0.32f, -0.4f, -0.9f, -0.5f}}), {.group_size = 4});
  EXPECT_EQ(q.grid.zero.item<float>(), 15);
  EXPECT_TRUE(at::equal(q.codes, torch::tensor({{7, 5, 0, 2}}).to(at::kByte))) << q.codes;
}

// Symmetric, 3 bit: scale = 0.9 / 3 = 0.3; -0.9 -0.5 0.2 0.74 -> -3 -2 (-1.67) 1 (0.67) 2 (2.47),
// stored with 4 added.
TEST(AwqQuantizer, SymmetricByHand) {
  const auto q = quantized(torch::tensor({{-0.9f, -0.5f, 0.2f, 0.74f}}),
                           {.bits = 3, .group_size = -1, .sym = true});
  EXPECT_FLOAT_EQ(q.grid.scale.item<float>(), 0.3f);
  EXPECT_EQ(q.grid.zero.item<float>(), 4);
  EXPECT_TRUE(at::equal(q.codes, torch::tensor({{1, 2, 5, 6}}).to(at::kByte))) << q.codes;
}

// A group of one value has no range: scale = 1e-5 / 15. Where 0 is far outside, it clips to nothing
// but 15 steps.
TEST(AwqQuantizer, ConstantGroupsTakeTheLeastRange) {
  const auto zero = quantized(torch::zeros({2, 8}), {.group_size = 4});
  EXPECT_TRUE(at::equal(zero.values, torch::zeros({2, 8})));
  for (const float value : {0.5f, 10.0f, 1e30f}) {  // 10 / 6.7e-7 is beyond 2^22
    const auto q = quantized(torch::full({1, 4}, value), {.group_size = 4});
    EXPECT_TRUE(at::allclose(q.values, torch::full({1, 4}, 1e-5f)));
  }
}

std::vector<AwqQuantizerConfig> configs() {
  std::vector<AwqQuantizerConfig> all;
  for (const int64_t bits : {2, 3, 4, 8}) {
    for (const int64_t group : {-1, 16, 24}) {  // 24: a tail of 80 - 3 * 24 = 8 columns
      all.push_back({.bits = bits, .group_size = group});
      all.push_back({.bits = bits, .group_size = group, .sym = true});
    }
  }
  return all;
}

TEST(AwqQuantizer, AgreesWithTheDefinitionInTensorOperations) {
  at::manual_seed(1);
  const auto weight = torch::randn({33, 80});
  for (const AwqQuantizerConfig& config : configs()) {
    SCOPED_TRACE(testing::Message() << config.bits << ' ' << config.group_size << config.sym);
    const auto q = quantized(weight, config);
    const auto top = static_cast<double>(q.grid.max_code);
    std::vector<at::Tensor> values;
    for (int64_t first = 0; first < 80; first += q.grid.group_size) {
      const auto x = weight.narrow(1, first, std::min(q.grid.group_size, 80 - first));
      if (config.sym) {
        const double half = (top + 1) / 2;
        const auto scale = x.abs().amax(1, true).clamp_min(1e-5) / (half - 1);
        values.push_back((x / scale).round().clamp(-half, half - 1) * scale);
      } else {
        const auto low = x.amin(1, true);
        const auto scale = (x.amax(1, true) - low).clamp_min(1e-5) / top;
        const auto zero = (-(low / scale).round()).clamp(0, top);
        values.push_back((((x / scale).round() + zero).clamp(0, top) - zero) * scale);
      }
    }
    EXPECT_TRUE(at::equal(q.values, at::cat(values, 1)));
  }
}

TEST(AwqQuantizer, RoundsAGroupToTheSameValuesInPlaceToo) {
  at::manual_seed(2);
  const auto weight = torch::randn({5, 80});
  for (const AwqQuantizerConfig& config : configs()) {
    const auto q = quantized(weight, config);
    auto values = weight.clone();
    for (int64_t row = 0; row < 5; ++row) {
      for (int64_t first = 0; first < 80; first += q.grid.group_size) {
        float* group = values.data_ptr<float>() + row * 80 + first;
        awq_round_group(group, std::min(q.grid.group_size, 80 - first), config, group);
      }
    }
    EXPECT_TRUE(at::equal(values, q.values));
  }
}

TEST(AwqQuantizer, DoesNotDependOnTheNumberOfThreads) {
  at::manual_seed(3);
  const auto weight = torch::randn({200, 300});
  const int64_t threads = num_threads();
  set_num_threads(1);
  const auto one = fit_awq_grid(weight, {});
  set_num_threads(2);
  const auto two = fit_awq_grid(weight, {});
  set_num_threads(threads);
  EXPECT_TRUE(at::equal(one.scale, two.scale));
  EXPECT_TRUE(at::equal(one.zero, two.zero));
}

TEST(AwqQuantizer, RefusesWhatHasNoGrid) {
  const auto weight = torch::ones({2, 4});
  EXPECT_THROW(fit_awq_grid(weight, {.bits = 9}), Error);
  EXPECT_THROW(fit_awq_grid(weight, {.bits = 1, .sym = true}), Error);
  EXPECT_THROW(fit_awq_grid(weight, {.group_size = 0}), Error);
  EXPECT_THROW(fit_awq_grid(torch::full({1, 4}, NAN), {}), Error);
  EXPECT_THROW(fit_awq_grid(torch::tensor({{3e38f, -3e38f}}), {}), Error);
}

}  // namespace
}  // namespace assay
