#include "compress/gptq.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "compress/rtn.h"

namespace assay {
namespace {

// The worked example T1: two rows, four inputs, three tokens.
const at::Tensor kWeight = torch::tensor({{0.5f, -1.0f, 0.2f, 0.8f}, {-0.3f, 0.4f, 0.9f, -0.1f}});
const at::Tensor kTokens =
    torch::tensor({{1.0f, 0.5f, -2.0f, 0.0f}, {0.5f, 1.0f, 1.0f, 1.0f}, {-1.0f, 2.0f, 0.5f, 0.5f}});

GptqResult run(const at::Tensor& weight, const at::Tensor& hessian, const GptqConfig& config) {
  const auto order = column_order(hessian.diagonal(), column_order_of(config), config.group_size);
  const auto index = torch::tensor(order);
  const auto in_order = hessian.index_select(0, index).index_select(1, index);
  return gptq(weight, inverse_factor(in_order, config.damp_percent), order, config);
}

at::Tensor hessian_of(const at::Tensor& tokens) { return tokens.t().matmul(tokens) * 2; }

at::Tensor random_hessian(int64_t width) {
  return hessian_of(torch::randn({3 * width, width}) * (1 + torch::arange(width) % 5) +
                    torch::randn({3 * width, 1}));
}

at::Tensor bytes(at::ArrayRef<int64_t> row0, at::ArrayRef<int64_t> row1) {
  return at::stack({torch::tensor(row0), torch::tensor(row1)}).to(at::kByte);
}

TEST(Gptq, MatchesTheWorkedExample) {
  const auto hessian = hessian_of(kTokens);
  GptqConfig config{{.bits = 4, .group_size = -1}};
  const auto four = run(kWeight, hessian, config);
  EXPECT_TRUE(at::equal(four.codes, bytes({12, 0, 10, 14}, {0, 9, 15, 3}))) << four.codes;
  EXPECT_TRUE(at::allclose(
      four.values, torch::tensor({{0.48f, -0.96f, 0.24f, 0.72f}, {-0.32f, 0.4f, 0.88f, -0.08f}})));
  EXPECT_NEAR(four.loss, 0.014192, 1e-5);
  const auto moved = (kWeight - four.values).matmul(kTokens.t()).square().sum().item<double>();
  EXPECT_NEAR(moved, 0.013800, 1e-5);

  config.desc_act = true;
  EXPECT_EQ(column_order(hessian.diagonal(), ColumnOrder::kActivation, -1),
            (std::vector<int64_t>{1, 2, 0, 3}));  // 10.5 twice, 4.5, 2.5
  const auto act = run(kWeight, hessian, config);
  EXPECT_TRUE(at::equal(act.codes, bytes({13, 0, 10, 14}, {0, 9, 15, 3}))) << act.codes;
  EXPECT_NEAR(act.loss, 0.007328, 1e-5);

  config.bits = 2;
  const auto act_two = run(kWeight, hessian, config);
  EXPECT_TRUE(at::equal(act_two.codes, bytes({2, 0, 2, 3}, {0, 2, 3, 1}))) << act_two.codes;
  EXPECT_NEAR(act_two.loss, 0.809000, 1e-4);
  config.desc_act = false;
  const auto two = run(kWeight, hessian, config);
  EXPECT_TRUE(at::equal(two.codes, bytes({3, 0, 2, 3}, {0, 2, 3, 1}))) << two.codes;
  EXPECT_NEAR(two.loss, 0.980600, 1e-4);
}

std::vector<GptqConfig> configs() {
  std::vector<GptqConfig> all;
  for (const int64_t group : {-1, 16, 24}) {
    for (const bool sym : {false, true}) {
      all.push_back({{.bits = 3, .group_size = group, .sym = sym}});
      all.push_back({{.bits = 4, .group_size = group, .sym = sym}});
      all.back().desc_act = true;
      all.push_back({{.bits = 4, .group_size = group, .sym = sym}});
      all.back().desc_act = all.back().static_groups = true;
      all.push_back({{.bits = 4, .group_size = group, .sym = sym}});
      all.back().act_group_aware = true;
    }
  }
  return all;
}

TEST(Gptq, UncorrelatedInputsAlikeGiveRoundToNearest) {
  at::manual_seed(1);
  const auto weight = torch::randn({9, 80});
  for (const GptqConfig& config : configs()) {
    if (config.desc_act && !config.static_groups) continue;  // other groups
    const auto rounded = run(weight, at::eye(80) * 2, config);
    const auto plain = rtn_quantize(weight, {config});
    EXPECT_TRUE(at::equal(rounded.codes, plain.codes)) << config.group_size;
    EXPECT_TRUE(at::equal(rounded.values, plain.values)) << config.group_size;
  }
}

TEST(Gptq, WeightsOnTheGridStayAndLoseNothing) {
  at::manual_seed(2);
  // Two-bit codes whose groups all span the whole grid, so that fitting finds the same grid again.
  auto codes = torch::randint(0, 4, {9, 80}).to(at::kFloat);
  for (const int64_t group : {16, 24, 80}) {
    for (int64_t first = 0; first < 80; first += group) {
      codes.select(1, first).fill_(0);
      codes.select(1, first + 1).fill_(3);
    }
  }
  const auto weight = (codes - 1) * 0.25;
  for (GptqConfig config : configs()) {
    if (config.sym || (config.desc_act && !config.static_groups)) continue;
    config.bits = 2;
    const auto rounded = run(weight, random_hessian(80), config);
    EXPECT_TRUE(at::equal(rounded.values, weight)) << config.group_size;
    EXPECT_EQ(rounded.loss, 0);
  }
}

TEST(Gptq, LosesLessThanRoundToNearest) {
  for (const uint64_t seed : {3u, 4u, 5u}) {
    at::manual_seed(seed);
    const auto weight = torch::randn({16, 80}), hessian = random_hessian(80);
    const auto loss = [&](const at::Tensor& values) {
      const auto moved = weight - values;
      return (moved.matmul(hessian) * moved).sum().item<double>();
    };
    for (const GptqConfig& config : configs()) {
      EXPECT_LT(loss(run(weight, hessian, config).values),
                loss(rtn_quantize(weight, {config}).values));
    }
  }
}

TEST(Gptq, CodesStandForTheValuesThroughTheGroupOfEachColumn) {
  at::manual_seed(6);
  const auto weight = torch::randn({9, 80}), hessian = random_hessian(80);
  for (const GptqConfig& config : configs()) {
    const auto r = run(weight, hessian, config);
    const auto group = torch::tensor(r.group_of_column);
    const auto scale = r.scale.index_select(1, group), zero = r.zero.index_select(1, group);
    EXPECT_TRUE(at::equal(r.values, scale * (r.codes - zero)));
    if (!config.desc_act || config.static_groups) {
      EXPECT_EQ(r.group_of_column, consecutive_groups(80, config.group_size));
    }
  }
}

// diag: group 0 = {1, 9, 3}, group 1 = {8, 2, 20}, group 2 = {4}: groups by 20, 9, 4.
TEST(Gptq, GroupAwareOrderKeepsGroupsTogether) {
  const auto diagonal = torch::tensor({1.0f, 9.0f, 3.0f, 8.0f, 2.0f, 20.0f, 4.0f});
  EXPECT_EQ(column_order(diagonal, ColumnOrder::kGroupAware, 3),
            (std::vector<int64_t>{5, 3, 4, 1, 2, 0, 6}));
  EXPECT_EQ(column_order(diagonal, ColumnOrder::kActivation, 3),
            (std::vector<int64_t>{5, 1, 3, 6, 2, 4, 0}));
  EXPECT_EQ(column_order(torch::ones({3}), ColumnOrder::kActivation, -1),
            (std::vector<int64_t>{0, 1, 2}));  // equal ones stay in order
}

TEST(Gptq, BlocksMoveNoCode) {
  at::manual_seed(7);
  const auto weight = torch::randn({16, 200}), hessian = random_hessian(200);
  for (GptqConfig config : configs()) {
    const auto expected = run(weight, hessian, config);
    config.block_size = 48;
    const auto differing = (run(weight, hessian, config).codes != expected.codes).sum();
    // A weight half-way between two levels goes either way, and those behind it follow.
    EXPECT_LE(differing.item<int64_t>(), 32) << config.group_size;  // of 3200
  }
}

}  // namespace
}  // namespace assay
