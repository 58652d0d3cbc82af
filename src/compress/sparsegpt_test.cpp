#include "compress/sparsegpt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "compress/selection.h"

namespace assay {
namespace {

// The worked example T1: two rows, four inputs, three tokens.
const at::Tensor kWeight = torch::tensor({{0.5f, -1.0f, 0.2f, 0.8f}, {-0.3f, 0.4f, 0.9f, -0.1f}});
const at::Tensor kTokens =
    torch::tensor({{1.0f, 0.5f, -2.0f, 0.0f}, {0.5f, 1.0f, 1.0f, 1.0f}, {-1.0f, 2.0f, 0.5f, 0.5f}});

InverseFactor factor_of(const at::Tensor& tokens) {
  return inverse_factor(tokens.t().matmul(tokens) * 2, 0.01);
}

struct Expected {
  at::Tensor values;
  double loss, moved;  // moved: ||D X||^2
};

void expect_t1(const SparseGptConfig& config, const Expected& expected) {
  const auto swept = sparsegpt(kWeight, factor_of(kTokens), config);
  EXPECT_TRUE(at::allclose(swept.values, expected.values, 0, 1e-4)) << swept.values;
  EXPECT_NEAR(swept.loss, expected.loss, 1e-4);
  const auto moved = (kWeight - swept.values).matmul(kTokens.t()).square().sum();
  EXPECT_NEAR(moved.item<double>(), expected.moved, 2e-4);
}

TEST(SparseGpt, MatchesTheWorkedExample) {
  expect_t1({.sparsity = 0.5, .block_size = 4},
            {torch::tensor({{0.0f, -1.375104f, 0.0f, 1.578371f}, {0.0f, 0.0f, 0.954507f, 0.0f}}),
             1.187084, 1.141600});
  expect_t1(
      {.pattern = NmPattern{2, 4}},
      {torch::tensor({{0.0f, -1.375104f, 0.0f, 1.578371f}, {0.0f, 0.625062f, 1.099752f, 0.0f}}),
       0.674883, 0.631934});
  // Two blocks: the threshold takes one more in each, and the last takes all of row 1.
  const auto two = sparsegpt(kWeight, factor_of(kTokens), {.sparsity = 0.5, .block_size = 2});
  EXPECT_TRUE(at::allclose(
      two.values, torch::tensor({{0.0f, -1.375104f, 0.0f, 1.578371f}, {0.0f, 0.0f, 0.0f, 0.0f}}), 0,
      1e-4));
  EXPECT_NEAR(two.loss, 7.122619, 1e-3);
}

TEST(SparseGpt, JointQuantizationMatchesTheWorkedExample) {
  const auto four = sparsegpt(kWeight, factor_of(kTokens), {.pattern = NmPattern{2, 4}, .bits = 4});
  EXPECT_TRUE(at::equal(four.codes, torch::tensor({{8, 0, 8, 15}, {4, 12, 15, 4}}).to(at::kByte)))
      << four.codes;
  expect_t1({.pattern = NmPattern{2, 4}, .bits = 4},
            {torch::tensor({{0.0f, -0.96f, 0.0f, 0.84f}, {0.0f, 0.64f, 0.88f, 0.0f}}), 0.889992,
             0.874200});
  const auto two = sparsegpt(kWeight, factor_of(kTokens), {.pattern = NmPattern{2, 4}, .bits = 2});
  EXPECT_TRUE(at::equal(two.codes, torch::tensor({{2, 0, 2, 3}, {1, 3, 3, 1}}).to(at::kByte)))
      << two.codes;
  EXPECT_NEAR(two.loss, 1.837400, 1e-4);
}

at::Tensor random_tokens(int64_t tokens, int64_t width) {
  return torch::randn({tokens, width}) * (1 + torch::arange(width) % 5) + torch::randn({tokens, 1});
}

// The optimum of a row for its mask, by least squares: no sweep is better, and over all rows making
// up for what went is better than not.
TEST(SparseGpt, LiesBetweenNoUpdateAndTheOptimumOfItsMask) {
  for (const uint64_t seed : {1u, 2u, 3u}) {
    at::manual_seed(seed);
    const auto weight = torch::randn({12, 64}), tokens = random_tokens(400, 64);
    const auto swept = sparsegpt(weight, factor_of(tokens), {.pattern = NmPattern{2, 4}});
    const auto moved = [&](const at::Tensor& row, int64_t r) {
      return (tokens.to(at::kDouble).matmul((weight[r] - row).to(at::kDouble)))
          .square()
          .sum()
          .item<double>();
    };
    double swept_moved = 0, masked_moved = 0;
    for (int64_t r = 0; r < weight.size(0); ++r) {
      const auto kept = swept.keep[r].nonzero().flatten();
      const auto chosen = tokens.index_select(1, kept).to(at::kDouble);
      const auto target = tokens.to(at::kDouble).matmul(weight[r].to(at::kDouble));
      const auto solution = std::get<0>(at::linalg_lstsq(chosen, target.unsqueeze(1)));
      const double best =
          (chosen.matmul(solution).squeeze(1) - target).square().sum().item<double>();
      EXPECT_GE(moved(swept.values[r], r), best * (1 - 1e-6));
      swept_moved += moved(swept.values[r], r);
      masked_moved += moved(weight[r] * swept.keep[r], r);
    }
    EXPECT_LT(swept_moved, masked_moved);
  }
}

TEST(SparseGpt, AnNmPatternPrunesExactlyItsShareOfEveryGroup) {
  at::manual_seed(4);
  const auto weight = torch::randn({10, 70}), tokens = random_tokens(300, 70);
  const auto swept = sparsegpt(weight, factor_of(tokens), {.pattern = NmPattern{4, 8}});
  const auto pruned = swept.keep.logical_not();
  const auto whole = pruned.narrow(1, 0, 64).reshape({10, 8, 8}).sum(2);
  EXPECT_TRUE((whole == 4).all().item<bool>());
  EXPECT_TRUE((pruned.narrow(1, 64, 6).sum(1) == 3).all().item<bool>());  // floor(4 * 6 / 8)
}

TEST(SparseGpt, DeadInputsLoseTheirWeights) {
  at::manual_seed(5);
  const auto weight = torch::randn({6, 32});
  auto tokens = random_tokens(100, 32);
  tokens.select(1, 7).zero_();
  const auto swept = sparsegpt(weight, factor_of(tokens), {.sparsity = 0.25});
  EXPECT_TRUE((swept.values.select(1, 7) == 0).all().item<bool>());
}

TEST(SparseGpt, ExactCountPrunesExactlyThatMany) {
  at::manual_seed(6);
  const auto weight = torch::randn({6, 40}), tokens = random_tokens(100, 40);
  const auto factor = factor_of(tokens);
  const auto by_threshold = sparsegpt(weight, factor, {.sparsity = 0.5});
  const auto exact = sparsegpt(weight, factor, {.sparsity = 0.5, .exact_count = true});
  EXPECT_EQ((exact.values == 0).sum().item<int64_t>(), 120);
  EXPECT_EQ((by_threshold.values == 0).sum().item<int64_t>(), 121);
}

}  // namespace
}  // namespace assay
