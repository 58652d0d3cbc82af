#include "compress/owl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/thread_pool.h"

namespace assay {
namespace {

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Scores 1 1 1 9 and 2 4: mean 3; above 2 * 3 lies 9 alone: one of six. Above 3: 9 and 4.
TEST(OutlierPercent, MatchesHandComputedCase) {
  const std::vector<ScoredLinear> block{
      {torch::tensor({{1.0f, -0.5f}, {-1.0f, 4.5f}}), torch::tensor({1.0f, 2.0f})},
      {torch::tensor({{0.5f, -1.0f}}), torch::tensor({4.0f, 4.0f})}};
  EXPECT_DOUBLE_EQ(outlier_percent(block, 2), 100.0 / 6);
  EXPECT_DOUBLE_EQ(outlier_percent(block, 1), 200.0 / 6);
  EXPECT_DOUBLE_EQ(outlier_percent(block, 3), 0);  // 9 is not above 9
}

TEST(OutlierPercent, AgreesWithTheDefinitionForAnyThreads) {
  at::manual_seed(1);
  std::vector<ScoredLinear> block;
  std::vector<at::Tensor> scores;
  for (const int64_t rows : {300, 70}) {
    block.push_back({torch::randn({rows, 256}), torch::rand({256})});
    scores.push_back((block.back().weight.abs() * block.back().input_norm).flatten());
  }
  const auto all = at::cat(scores).to(at::kDouble);
  const int64_t before = num_threads();
  for (const double multiple : {2.0, 3.0, 5.0}) {
    const auto expected = 100 * (all > multiple * all.mean()).to(at::kDouble).mean();
    set_num_threads(1);
    const double one = outlier_percent(block, multiple);
    set_num_threads(2);
    EXPECT_EQ(outlier_percent(block, multiple), one);
    EXPECT_NEAR(one, expected.item<double>(), 1e-9);
  }
  set_num_threads(before);
}

// D = 1 3 2, lambda 0.1: r = 0 0.2 0.1, mean 0.1: s = 0.7 + 0.1, - 0.1, 0.
TEST(OwlSparsities, MatchHandComputedCase) {
  const std::vector<double> d{1, 3, 2};
  const auto s = owl_sparsities(d, {.sparsity = 0.7, .lambda = 0.1});
  ASSERT_EQ(s.size(), 3u);
  EXPECT_NEAR(s[0], 0.8, 1e-15);
  EXPECT_NEAR(s[1], 0.6, 1e-15);
  EXPECT_NEAR(s[2], 0.7, 1e-15);
}

TEST(OwlSparsities, HaveTheGivenMeanAndFallWithOutliers) {
  at::manual_seed(2);
  for (const double sparsity : {0.3, 0.5, 0.7}) {
    const auto random = torch::rand({32}, at::kDouble) * 5;
    const std::vector<double> d(random.const_data_ptr<double>(),
                                random.const_data_ptr<double>() + 32);
    const auto s = owl_sparsities(d, {.sparsity = sparsity});
    EXPECT_NEAR(mean(s), sparsity, 1e-14);
    const auto [low, high] = std::minmax_element(s.begin(), s.end());
    EXPECT_NEAR(*high - *low, 2 * 0.08, 1e-14);
    for (size_t i = 0; i < d.size(); ++i) {
      for (size_t j = 0; j < d.size(); ++j) EXPECT_EQ(d[i]<d[j], s[i]> s[j]);
    }
  }
}

TEST(OwlSparsities, OfEqualBlocksAreUniform) {
  for (const auto& d : {std::vector<double>{2}, std::vector<double>{0, 0, 0}}) {
    for (const double s : owl_sparsities(d, {.sparsity = 0.6})) EXPECT_EQ(s, 0.6);
  }
}

template <class Fn>
std::string error_of(const Fn& fn) {
  try {
    fn();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Owl, RefusesBadInput) {
  const std::vector<double> d{1, 2}, bad{1, NAN};
  EXPECT_THAT(error_of([&] { owl_sparsities({}, {}); }), testing::HasSubstr("no blocks"));
  EXPECT_THAT(error_of([&] { owl_sparsities(bad, {}); }), testing::HasSubstr("of block 1 is nan"));
  EXPECT_THAT(error_of([&] { owl_sparsities(d, {.sparsity = 1.5}); }),
              testing::HasSubstr("sparsity must be in [0, 1]"));
  EXPECT_THAT(error_of([&] { owl_sparsities(d, {.lambda = 0.6}); }),
              testing::HasSubstr("lambda must be in [0, 0.5]"));
  EXPECT_THAT(error_of([&] { owl_sparsities(d, {.sparsity = 0.95, .lambda = 0.2}); }),
              testing::HasSubstr("block 0 would get a sparsity of 1.15"));
  EXPECT_THAT(error_of([&] { outlier_percent({}, 5); }), testing::HasSubstr("no linears"));
  const std::vector<ScoredLinear> narrow{{torch::ones({2, 3}), torch::ones({2})}};
  EXPECT_THAT(error_of([&] { outlier_percent(narrow, 5); }),
              testing::HasSubstr("needs input_norm [3], got [2]"));
  const std::vector<ScoredLinear> nan{{torch::ones({2, 3}), torch::full({3}, NAN)}};
  EXPECT_THAT(error_of([&] { outlier_percent(nan, 5); }), testing::HasSubstr("owl: score"));
}

}  // namespace
}  // namespace assay
