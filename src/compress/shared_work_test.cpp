#include "compress/shared_work.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "model/block.h"

namespace assay {
namespace {

using testing::ElementsAre;
using Statistics = std::map<std::string_view, InputStatistics>;

std::vector<MethodConfig> configs(const std::vector<Json>& settings) {
  std::vector<MethodConfig> list;
  for (const Json& one : settings) list.push_back(method_config(one));
  return list;
}

TEST(SharedParts, AreWhatTwoMethodsLookAt) {
  const auto list = configs({{{"method", "gptq"}, {"bits", 4}},
                             {{"method", "rtn"}, {"bits", 4}},
                             {{"method", "sparsegpt"}, {"sparsity", 0.5}},
                             {{"method", "gblm"}, {"pattern", "2:4"}},
                             {{"method", "gblm"}, {"sparsity", 0.5}},
                             {{"method", "gblm"}, {"sparsity", 0.5}, {"gradient_norm", "l1"}},
                             {{"method", "awq"}, {"bits", 4}},
                             {{"method", "awq"}, {"bits", 3}}});
  std::map<std::string, std::vector<size_t>> users;
  for (const SharedPart& part : shared_parts(list)) users[part.what] = part.users;
  EXPECT_EQ(users.size(), 3u);  // AWQ's dense blocks are not kept
  EXPECT_THAT(users["Hessians of the first block"], ElementsAre(0, 2));
  EXPECT_THAT(users["input norms of the first block"], ElementsAre(3, 4, 5));
  EXPECT_THAT(users["gradients (L2 over samples)"], ElementsAre(3, 4));
}

TEST(SharedParts, RunningMeansAreNormsOfAnotherSum) {
  EXPECT_TRUE(
      shared_parts(configs({{{"method", "wanda"}, {"sparsity", 0.5}},
                            {{"method", "wanda"}, {"sparsity", 0.5}, {"parity", "running_mean"}}}))
          .empty());
}

class SharedWorkTest : public testing::Test {
 protected:
  Statistics ask(SharedWork& shared, const MethodConfig& config,
                 std::span<const std::string_view> linears = block_linear_names()) {
    return shared.of_first_block(config, linears, [&](const WantedStatistics& wanted) {
      ++num_gathers_;
      Statistics statistics;
      for (const std::string_view linear : linears) {
        if (wanted.norm) statistics[linear].norm = torch::ones({2});
        if (wanted.hessian)
          statistics[linear].second_order = std::make_shared<SecondOrder>(torch::eye(2));
      }
      return statistics;
    });
  }

  int num_gathers_ = 0;
};

TEST_F(SharedWorkTest, GathersOnceForAllAndLetsGoBehindTheLast) {
  const auto list = configs({{{"method", "gptq"}, {"bits", 4}}, {{"method", "gptq"}, {"bits", 3}}});
  SharedWork shared(list);
  const auto first = ask(shared, list[0])["mlp.down_proj"].second_order;
  const auto second = ask(shared, list[1])["mlp.down_proj"].second_order;
  EXPECT_EQ(first, second);
  EXPECT_EQ(num_gathers_, 1);
  EXPECT_EQ(first.use_count(), 2);  // ours alone
}

TEST_F(SharedWorkTest, WhatOneMethodLooksAtIsNotKept) {
  const auto list =
      configs({{{"method", "gptq"}, {"bits", 4}}, {{"method", "wanda"}, {"sparsity", 0.5}}});
  SharedWork shared(list);
  EXPECT_EQ(ask(shared, list[0])["mlp.down_proj"].second_order.use_count(), 1);
  EXPECT_TRUE(ask(shared, list[1])["mlp.down_proj"].norm.defined());
  EXPECT_EQ(num_gathers_, 2);
}

// GPTQ with true_sequential asks for q, k and v alone; who needs all seven gathers all.
TEST_F(SharedWorkTest, SomeLinearsDoNotStandForAll) {
  const auto list = configs({{{"method", "gptq"}, {"bits", 4}, {"true_sequential", true}},
                             {{"method", "gptq"}, {"bits", 4}},
                             {{"method", "sparsegpt"}, {"sparsity", 0.5}}});
  SharedWork shared(list);
  ask(shared, list[0], block_linear_names().subspan(0, 3));
  EXPECT_EQ(ask(shared, list[1]).size(), 7u);
  EXPECT_EQ(ask(shared, list[2]).size(), 7u);
  EXPECT_EQ(num_gathers_, 2);
}

TEST_F(SharedWorkTest, OutliersAreCountedOncePerThreshold) {
  const auto list = configs({{{"method", "owl"}, {"sparsity", 0.5}},
                             {{"method", "owl"}, {"sparsity", 0.6}},
                             {{"method", "owl"}, {"sparsity", 0.5}, {"outlier_multiple", 3.0}}});
  SharedWork shared(list);
  int counted = 0;
  for (const MethodConfig& config : list) {
    shared.outlier_percents(std::get<OwlMethodConfig>(config), [&] {
      ++counted;
      return std::vector<double>{1, 2};
    });
  }
  EXPECT_EQ(counted, 2);
}

}  // namespace
}  // namespace assay
