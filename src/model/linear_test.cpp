#include "model/linear.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "base/error.h"
#include "base/thread_pool.h"

namespace assay {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

at::Tensor inputs(int64_t rows, int64_t in) {
  const auto x = torch::randn({rows, in});
  return at::where(torch::rand({rows, in}) < 0.02, x * 8, x);  // a few outliers
}

// Half a step of either operand: about 1 % of the result's deviation with Gaussian rows of 96.
TEST(LinearInt8, IsCloseToTheDenseOne) {
  at::manual_seed(1);
  const auto weight = torch::randn({50, 96}), x = inputs(40, 96);
  const auto dense = Linear(weight)(x);
  const auto linear = Linear::llm_int8(weight, {});
  EXPECT_EQ(linear.in_features(), 96);
  EXPECT_EQ(linear.out_features(), 50);
  const auto error = (linear(x) - dense).square().mean() / dense.square().mean();
  EXPECT_LT(std::sqrt(error.item<double>()), 0.02);
  EXPECT_GT(error.item<double>(), 0);
}

TEST(LinearInt8, ARowIsItsOwnInAnyBatchAndForAnyNumberOfThreads) {
  at::manual_seed(2);
  const auto x = inputs(300, 130);
  const auto linear = Linear::llm_int8(torch::randn({70, 130}), {});
  const int64_t threads = num_threads();
  set_num_threads(1);
  const auto whole = linear(x);
  for (const int64_t count : {1, 2, 5}) {
    set_num_threads(count);
    EXPECT_TRUE(at::equal(linear(x), whole));
    for (const int64_t rows : {1, 7, 130}) {
      for (int64_t first = 0; first + rows <= 300; first += 83) {
        EXPECT_TRUE(at::equal(linear(x.narrow(0, first, rows)), whole.narrow(0, first, rows)));
      }
    }
  }
  set_num_threads(threads);
}

TEST(LinearInt8, WritesAddsAndTakesStoredCodes) {
  at::manual_seed(3);
  const auto weight = torch::randn({20, 33}), x = inputs(9, 33);
  const auto absmax = weight.abs().amax(1);
  const auto codes = (weight * (127 / absmax).unsqueeze(1)).round().to(at::kChar);
  const auto linear = Linear::llm_int8(weight, {});
  const auto y = linear(x);
  EXPECT_TRUE(at::equal(Linear::llm_int8(codes, absmax, {})(x), y));
  auto sum = torch::ones({9, 20});
  linear.add_(x, sum);
  EXPECT_TRUE(at::equal(sum, torch::ones({9, 20}) + y));
  linear.write_(x, sum);
  EXPECT_TRUE(at::equal(sum, y));
}

TEST(LinearInt8, RefusesWhatItCannotHold) {
  const auto weight = torch::ones({3, 4});
  const auto linear = Linear::llm_int8(weight, {});
  EXPECT_THAT([&] { linear.packed(); },
              ThrowsMessage<Error>(HasSubstr("Linear [3, 4]: its weight is in 8 bits")));
  EXPECT_THAT(
      [&] {
        linear(torch::ones({2, 5}));
      },
      ThrowsMessage<Error>(HasSubstr("needs float32 [tokens, 4]")));
  EXPECT_THROW(Linear::llm_int8(weight.to(at::kDouble), {}), Error);
  EXPECT_THROW(Linear::llm_int8(torch::full({3, 4}, NAN), {}), Error);
  EXPECT_THROW(Linear::llm_int8(weight, {.threshold = -1}), Error);
  EXPECT_THROW(Linear::llm_int8(weight.to(at::kChar), torch::ones({4}), {}), Error);
}

}  // namespace
}  // namespace assay
