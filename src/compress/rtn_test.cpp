#include "compress/rtn.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "base/error.h"
#include "base/thread_pool.h"

namespace assay {
namespace {

const at::Tensor kWeight = torch::tensor({{0.5f, -1.0f, 0.2f, 0.8f}, {-0.3f, 0.4f, 0.9f, -0.1f}});

RtnResult rtn(const at::Tensor& weight, const QuantizerConfig& config) {
  return rtn_quantize(weight, {config});
}

// T1, row 0: lo = -1, hi = 0.8: scale = 1.8 / 15 = 0.12, zero = round(1 / 0.12 = 8.33) = 8, and for
// example 0.5 / 0.12 = 4.17 -> 4 + 8 = 12. Row 1: scale = 1.2 / 15 = 0.08, zero = round(3.75) = 4.
TEST(Rtn, MatchesHandComputedCase) {
  const auto four = rtn(kWeight, {.bits = 4, .group_size = -1});
  EXPECT_TRUE(at::allclose(four.grid.scale, torch::tensor({{0.12f}, {0.08f}})));
  EXPECT_TRUE(at::equal(four.grid.zero, torch::tensor({{8.0f}, {4.0f}})));
  EXPECT_TRUE(at::equal(four.codes, torch::tensor({{12, 0, 10, 15}, {0, 9, 15, 3}}).to(at::kByte)))
      << four.codes;
  const auto two = rtn(kWeight, {.bits = 2, .group_size = -1});
  EXPECT_TRUE(at::allclose(two.grid.scale, torch::tensor({{0.6f}, {0.4f}})));
  EXPECT_TRUE(at::equal(two.grid.zero, torch::tensor({{2.0f}, {1.0f}})));
  EXPECT_TRUE(at::equal(two.codes, torch::tensor({{3, 0, 2, 3}, {0, 2, 3, 1}}).to(at::kByte)))
      << two.codes;
}

// Five columns in groups of 2 end in a group of one: 0.7 alone spans [0, 0.7], so it is the top
// level exactly.
TEST(Rtn, TailIsAGroupOfItsOwn) {
  const auto weight = torch::tensor({{1.0f, 0.5f, -0.5f, 0.25f, 0.7f}});
  const auto result = rtn(weight, {.bits = 4, .group_size = 2});
  EXPECT_TRUE(at::allclose(result.grid.scale, torch::tensor({{1.0f, 0.75f, 0.7f}}) / 15));
  EXPECT_EQ(result.codes[0][4].item<int>(), 15);
  EXPECT_EQ(rtn(torch::randn({3, 576}), {.group_size = 128}).grid.scale.size(1),
            5);  // 4 * 128 + 64
}

// Symmetric, 2 bit: scale = 2 * 0.9 / 3 = 0.6, zero 2, levels -1.2 -0.6 0 0.6. One-sided by the
// reference: lo stays 0, so scale = 0.9 / 3 = 0.3, levels up to 0.3, and 0.9 clips.
TEST(Rtn, OneSidedSymmetricGroupIsAParityFlag) {
  const auto weight = torch::tensor({{0.1f, 0.7f, 0.9f}});
  const auto centred = rtn(weight, {.bits = 2, .group_size = -1, .sym = true});
  EXPECT_FLOAT_EQ(centred.grid.scale.item<float>(), 0.6f);
  EXPECT_TRUE(at::equal(centred.codes.narrow(1, 0, 2),
                        torch::tensor({{2, 3}}).to(at::kByte)));  // 0.9 is a tie
  const auto quirk =
      rtn(weight, {.bits = 2, .group_size = -1, .sym = true, .parity_one_sided = true});
  EXPECT_FLOAT_EQ(quirk.grid.scale.item<float>(), 0.3f);
  EXPECT_FLOAT_EQ(quirk.values[0][2].item<float>(), 0.3f);
}

TEST(Rtn, AZeroGroupStaysZero) {
  const auto result = rtn(torch::zeros({2, 8}), {.bits = 3, .group_size = 4});
  EXPECT_TRUE(at::equal(result.values, torch::zeros({2, 8})));
}

std::vector<QuantizerConfig> configs() {
  std::vector<QuantizerConfig> all;
  for (const int64_t bits : {2, 3, 4, 8}) {
    for (const int64_t group : {-1, 16, 24}) {
      all.push_back({.bits = bits, .group_size = group});
      all.push_back({.bits = bits, .group_size = group, .sym = true});
    }
  }
  return all;
}

TEST(Rtn, ErrorIsHalfAStepAndZeroIsExact) {
  for (const uint64_t seed : {1u, 2u, 3u}) {
    at::manual_seed(seed);
    auto weight = torch::randn({7, 80});
    weight.masked_fill_(torch::rand({7, 80}) < 0.3, 0.0);
    for (const QuantizerConfig& config : configs()) {
      const auto result = rtn(weight, config);
      const auto zeros = weight == 0;
      EXPECT_TRUE((result.values.masked_select(zeros) == 0).all().item<bool>());
      const auto step =
          result.grid.scale.repeat_interleave(result.grid.group_size, 1).narrow(1, 0, 80);
      const auto error = (result.values - weight).abs();
      // Both ends of the grid may lie up to half a step inside the range (zero is rounded; a
      // symmetric grid has no level at +max), so there the error reaches one step.
      const auto inside = (result.codes > 0) & (result.codes < result.grid.max_code);
      const auto bound = at::where(inside, step * 0.5, step) * (1 + 1e-5) +
                         1e-6;  // float32 rounding of the division
      EXPECT_TRUE((error <= bound).all().item<bool>())
          << config.bits << ' ' << config.group_size << ' ' << config.sym;
    }
  }
}

TEST(Rtn, RequantizingOnTheSameGridIsAFixedPoint) {
  at::manual_seed(4);
  const auto weight = torch::randn({7, 80});
  for (const QuantizerConfig& config : configs()) {
    const auto result = rtn(weight, config);
    EXPECT_TRUE(at::equal(quantize(result.values, result.grid), result.codes));
  }
}

// The definition in torch's own operators, one group at a time.
TEST(Rtn, AgreesWithTheDefinitionInTensorOperations) {
  at::manual_seed(5);
  const auto weight = torch::randn({33, 96});
  for (const QuantizerConfig& config : configs()) {
    const auto result = rtn(weight, config);
    std::vector<at::Tensor> codes;
    const int64_t group = result.grid.group_size;
    for (int64_t first = 0; first < 96; first += group) {
      const auto x = weight.narrow(1, first, std::min(group, 96 - first));
      auto lo = x.amin(1, true).clamp_max(0), hi = x.amax(1, true).clamp_min(0);
      if (config.sym) {
        hi = at::maximum(-lo, hi);
        lo = -hi;
      }
      const auto scale = (hi - lo) / result.grid.max_code;
      const auto zero =
          config.sym ? at::full_like(scale, (static_cast<double>(result.grid.max_code) + 1) / 2)
                     : (-lo / scale).round();
      codes.push_back(((x / scale).round() + zero).clamp(0, result.grid.max_code).to(at::kByte));
    }
    EXPECT_TRUE(at::equal(result.codes, at::cat(codes, 1)))
        << config.bits << ' ' << config.group_size;
  }
}

TEST(Rtn, SearchNeverLosesAgainstTheFullRange) {
  at::manual_seed(6);
  const auto weight = torch::randn({9, 64}).pow(3);  // heavy tails: shrinking pays
  for (const int64_t bits : {2, 3, 4}) {
    for (const bool sym : {false, true}) {
      const auto loss = [&](bool mse) {
        const auto values =
            rtn(weight, {.bits = bits, .group_size = 32, .sym = sym, .mse = mse}).values;
        return (values - weight).abs().to(at::kDouble).pow(2.4).view({9, 2, 32}).sum(2);
      };
      EXPECT_TRUE((loss(true) <= loss(false) * (1 + 1e-6)).all().item<bool>());
      EXPECT_LT(loss(true).sum().item<double>(), loss(false).sum().item<double>());
    }
  }
}

TEST(Rtn, DoesNotDependOnTheNumberOfThreads) {
  at::manual_seed(8);
  const auto weight = torch::randn({200, 300});
  const int64_t threads = num_threads();
  set_num_threads(1);
  const auto one = rtn(weight, {.mse = true});
  set_num_threads(2);
  const auto two = rtn(weight, {.mse = true});
  set_num_threads(threads);
  EXPECT_TRUE(at::equal(one.values, two.values));
}

TEST(Rtn, RefusesWhatHasNoGrid) {
  EXPECT_THROW(rtn(kWeight, {.bits = 9}), Error);
  EXPECT_THROW(rtn(kWeight, {.group_size = 0}), Error);
  EXPECT_THROW(rtn(torch::full({1, 4}, INFINITY), {}), Error);
  EXPECT_THROW(rtn(torch::full({1, 4}, 1e-42f), {}), Error);  // the scale would be 0
  const auto grid = fit_grid(kWeight, {});
  EXPECT_THROW(quantize(torch::ones({3, 4}), grid), Error);
}

}  // namespace
}  // namespace assay
