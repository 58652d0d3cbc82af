#include "calibration/input_hessian.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"

namespace assay {
namespace {

at::Tensor hessian_of(const at::Tensor& tokens, const std::vector<int64_t>& rows) {
  InputHessian sum;
  sum.add(tokens, rows);
  return sum.hessian();
}

// T1: H_00 = 2 (1 + 0.25 + 1) = 4.5, H_01 = 2 (0.5 + 0.5 - 2) = -2, ...
TEST(InputHessian, MatchesTheWorkedExample) {
  const auto tokens = torch::tensor(
      {{1.0f, 0.5f, -2.0f, 0.0f}, {0.5f, 1.0f, 1.0f, 1.0f}, {-1.0f, 2.0f, 0.5f, 0.5f}});
  const auto expected = torch::tensor({{4.5f, -2.0f, -4.0f, 0.0f},
                                       {-2.0f, 10.5f, 2.0f, 4.0f},
                                       {-4.0f, 2.0f, 10.5f, 2.5f},
                                       {0.0f, 4.0f, 2.5f, 2.5f}});
  EXPECT_TRUE(at::equal(hessian_of(tokens, {3}), expected));
  EXPECT_TRUE(at::equal(hessian_of(tokens, {2, 1}), expected / 2));  // two sequences: their mean
}

TEST(InputHessian, IsTheSecondMomentAndSymmetric) {
  for (const int64_t width : {1, 31, 130, 577}) {
    SCOPED_TRACE(width);
    at::manual_seed(width);
    const auto tokens = torch::randn({700, width}) + torch::randn({700, 1});
    const auto hessian = hessian_of(tokens, {300, 1, 399});
    const auto exact = tokens.to(at::kDouble).t().matmul(tokens.to(at::kDouble)) * (2.0 / 3);
    const auto difference = (hessian.to(at::kDouble) - exact).norm() / exact.norm();
    EXPECT_LT(difference.item<double>(), 1e-6);
    EXPECT_TRUE(at::equal(hessian, hessian.t()));
  }
}

TEST(InputHessian, DependsNeitherOnCallsNorOnThreads) {
  at::manual_seed(1);
  const auto tokens = torch::randn({90, 200});
  const int64_t usual = num_threads();
  set_num_threads(1);
  const auto whole = hessian_of(tokens, {40, 20, 30});
  set_num_threads(3);
  InputHessian parts;
  parts.add(tokens.narrow(0, 0, 40), std::vector<int64_t>{40});
  parts.add(tokens.narrow(0, 40, 50), std::vector<int64_t>{20, 30});
  set_num_threads(usual);
  EXPECT_TRUE(at::equal(parts.hessian(), whole));
}

TEST(InputHessian, RefusesWhatIsNoInput) {
  const auto error_of = [](const at::Tensor& tokens, const std::vector<int64_t>& rows) {
    try {
      hessian_of(tokens, rows);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(error_of(torch::ones({3, 2}), {2}), testing::HasSubstr("do not make up sequences"));
  EXPECT_THAT(error_of(torch::ones({3, 2}, at::kDouble), {3}), testing::HasSubstr("float32"));
  auto tokens = torch::ones({3, 4});
  tokens[1][2] = NAN;
  EXPECT_THAT(error_of(tokens, {3}), testing::HasSubstr("input channel 2"));
  EXPECT_THROW(InputHessian().hessian(), Error);
}

}  // namespace
}  // namespace assay
