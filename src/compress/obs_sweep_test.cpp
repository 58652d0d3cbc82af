#include "compress/obs_sweep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "base/error.h"
#include "base/thread_pool.h"
#include "compress/inverse_factor.h"

namespace assay {
namespace {

struct Problem {
  at::Tensor weight, hessian, upper;
};

Problem random_problem(int64_t rows, int64_t cols, uint64_t seed) {
  at::manual_seed(seed);
  const auto x =
      torch::randn({3 * cols, cols}) * (1 + torch::arange(cols) % 5) + torch::randn({3 * cols, 1});
  const auto hessian = x.t().matmul(x) * (2.0 / 3);
  return {torch::randn({rows, cols}), hessian, inverse_factor(hessian, 0.01).upper};
}

SweepRules rounding(int64_t cols, int64_t bits, int64_t group_size) {
  SweepRules rules;
  rules.quantizer = QuantizerConfig{.bits = bits, .group_size = group_size};
  rules.group_of_column = consecutive_groups(cols, group_size);
  return rules;
}

std::vector<SweepRules> all_rules(int64_t cols) {
  std::vector<SweepRules> all;
  SweepRules half;
  half.sparsity = 0.5;
  all.push_back(half);
  half.exact_count = true;
  all.push_back(half);
  SweepRules pattern;
  pattern.pattern = NmPattern{2, 4};
  all.push_back(pattern);
  pattern.block_size = 8;
  all.push_back(pattern);
  for (const int64_t group : {16, 24, 200}) {
    for (const GridTime time : {GridTime::kOnEntry, GridTime::kLazily}) {
      SweepRules rules = rounding(cols, 3, group);
      rules.grid_time = time;
      all.push_back(rules);
    }
  }
  SweepRules joint = rounding(cols, 4, 16);
  joint.sparsity = 0.5;
  all.push_back(joint);
  SweepRules joint_pattern = rounding(cols, 4, 16);
  joint_pattern.pattern = NmPattern{4, 8};
  all.push_back(joint_pattern);
  SweepRules masked = rounding(cols, 4, 16);
  masked.keep = torch::rand({24, cols}) < 0.5;
  all.push_back(masked);
  return all;
}

// Float32 and float64 part where a weight lies on the boundary between two decisions and stay
// together elsewhere; the sizes are small enough for that not to happen with these seeds.
TEST(ObsSweep, AgreesWithTheEquationsInFloat64) {
  const Problem p = random_problem(24, 150, 1);
  for (const SweepRules& rules : all_rules(150)) {
    const auto fast = obs_sweep(p.weight, p.upper, rules);
    const auto plain = plain_obs_sweep(p.weight, p.upper, rules);
    EXPECT_TRUE(at::allclose(fast.values.to(at::kDouble), plain.values, 1e-3, 1e-4));
    EXPECT_NEAR(fast.loss / plain.loss, 1, 1e-4);
    EXPECT_TRUE(!fast.keep.defined() || at::equal(fast.keep, plain.keep));
    EXPECT_TRUE(!fast.codes.defined() || at::equal(fast.codes, plain.codes));
  }
}

// loss = 1/2 ||E||^2 = 1/2 tr(D (H + delta I) D^T) with D = W - W': of every sweep.
TEST(ObsSweep, LossIsThatOfTheOutputs) {
  const Problem p = random_problem(24, 150, 2);
  const auto damped =
      p.hessian.to(at::kDouble) +
      at::eye(150, at::kDouble) * (0.01 * p.hessian.diagonal().mean().item<double>());
  for (const SweepRules& rules : all_rules(150)) {
    const auto swept = obs_sweep(p.weight, p.upper, rules);
    const auto moved = (p.weight - swept.values).to(at::kDouble);
    const double of_outputs = 0.5 * (moved.matmul(damped) * moved).sum().item<double>();
    EXPECT_NEAR(swept.loss / of_outputs, 1, 1e-3);  // the factor is float32
  }
}

TEST(ObsSweep, PrunedWeightsAreZeroAndCodesAreTheValues) {
  const Problem p = random_problem(24, 150, 3);
  for (const SweepRules& rules : all_rules(150)) {
    const auto swept = obs_sweep(p.weight, p.upper, rules);
    if (swept.keep.defined()) {
      EXPECT_TRUE((swept.values.masked_select(swept.keep.logical_not()) == 0).all().item<bool>());
    }
    if (!swept.codes.defined()) continue;
    const auto group = torch::tensor(rules.group_of_column);
    const auto scale = swept.scale.index_select(1, group), zero = swept.zero.index_select(1, group);
    EXPECT_TRUE(at::equal(swept.values, scale * (swept.codes - zero)));
  }
}

TEST(ObsSweep, DoesNotDependOnThreads) {
  const Problem p = random_problem(70, 300, 4);
  SweepRules rules = rounding(300, 4, 64);
  rules.sparsity = 0.3;
  const int64_t usual = num_threads();
  set_num_threads(1);
  const auto one = obs_sweep(p.weight, p.upper, rules);
  set_num_threads(3);
  const auto three = obs_sweep(p.weight, p.upper, rules);
  set_num_threads(usual);
  EXPECT_TRUE(at::equal(one.values, three.values));
  EXPECT_TRUE(at::equal(one.codes, three.codes));
  EXPECT_EQ(one.loss, three.loss);
}

// With a mask decided before, blocks are a matter of speed alone.
TEST(ObsSweep, BlocksChangeNothingForAGivenMask) {
  const Problem p = random_problem(24, 150, 5);
  SweepRules rules;
  rules.keep = torch::rand({24, 150}) < 0.5;
  const auto whole = obs_sweep(p.weight, p.upper, rules);
  for (const int64_t block : {1, 7, 64, 500}) {
    rules.block_size = block;
    const auto swept = obs_sweep(p.weight, p.upper, rules);
    EXPECT_TRUE(at::allclose(swept.values, whole.values, 1e-3, 1e-4)) << block;
  }
}

// Where the inputs are uncorrelated and alike there is nothing to make up for.
TEST(ObsSweep, AScaledIdentityMovesNoOtherWeight) {
  at::manual_seed(6);
  const auto weight = torch::randn({9, 64});
  const auto upper = inverse_factor(at::eye(64) * 3, 0.01).upper;
  SweepRules rules;
  rules.sparsity = 0.5;
  const auto swept = obs_sweep(weight, upper, rules);
  EXPECT_TRUE(at::equal(swept.values, weight * swept.keep));
}

TEST(ObsSweep, BlocksEndWhereGroupsBegin) {
  EXPECT_EQ(sweep_blocks(576, {}), (std::vector<int64_t>{0, 128, 256, 384, 512, 576}));
  EXPECT_EQ(sweep_blocks(300, rounding(300, 4, 96)), (std::vector<int64_t>{0, 96, 192, 300}));
  EXPECT_EQ(sweep_blocks(300, rounding(300, 4, 32)), (std::vector<int64_t>{0, 128, 256, 300}));
  // A group wider than a block begins one and is cut after it began.
  EXPECT_EQ(sweep_blocks(300, rounding(300, 4, 200)), (std::vector<int64_t>{0, 128, 200, 300}));
}

TEST(ObsSweep, SparsityNoneAndAll) {
  const Problem p = random_problem(4, 40, 7);
  SweepRules rules;
  rules.sparsity = 0.0;
  EXPECT_TRUE(at::equal(obs_sweep(p.weight, p.upper, rules).values, p.weight));
  rules.sparsity = 1.0;
  EXPECT_TRUE(at::equal(obs_sweep(p.weight, p.upper, rules).values, at::zeros({4, 40})));
}

TEST(ObsSweep, RefusesWhatDoesNotFit) {
  const Problem p = random_problem(4, 40, 8);
  const auto error_of = [&](const at::Tensor& weight, const SweepRules& rules) -> std::string {
    try {
      obs_sweep(weight, p.upper, rules);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_THAT(error_of(torch::ones({4, 41}), {}), testing::HasSubstr("needs a float32 factor"));
  SweepRules rules;
  rules.sparsity = 0.5;
  rules.pattern = NmPattern{2, 4};
  EXPECT_THAT(error_of(p.weight, rules), testing::HasSubstr("exclude each other"));
  SweepRules straddling;
  straddling.pattern = NmPattern{2, 4};
  straddling.block_size = 10;
  EXPECT_THAT(error_of(p.weight, straddling), testing::HasSubstr("straddles column 10"));
}

}  // namespace
}  // namespace assay
