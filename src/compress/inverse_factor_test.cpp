#include "compress/inverse_factor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "base/error.h"
#include "base/thread_pool.h"

namespace assay {
namespace {

// T1: H = 2 X X^T of three tokens; delta = 0.01 * (4.5 + 10.5 + 10.5 + 2.5) / 4 = 0.07.
const at::Tensor kHessian = torch::tensor({{4.5f, -2.0f, -4.0f, 0.0f},
                                           {-2.0f, 10.5f, 2.0f, 4.0f},
                                           {-4.0f, 2.0f, 10.5f, 2.5f},
                                           {0.0f, 4.0f, 2.5f, 2.5f}});

// More tokens than channels, some channels larger than others.
at::Tensor random_hessian(int64_t width, int64_t tokens) {
  const auto x =
      torch::randn({tokens, width}) * (1 + torch::arange(width) % 7) + torch::randn({tokens, 1});
  return x.t().matmul(x) * 2;
}

TEST(InverseFactor, MatchesTheWorkedExample) {
  const auto expected = torch::tensor({{1.568988, 1.177066, 1.044697, -2.848252},
                                       {0.0, 0.506052, 0.117591, -0.902018},
                                       {0.0, 0.0, 0.350541, -0.340993},
                                       {0.0, 0.0, 0.0, 0.623783}});
  const auto factor = inverse_factor(kHessian, 0.01);
  EXPECT_TRUE(at::allclose(factor.upper.to(at::kDouble), expected.to(at::kDouble), 1e-5, 2e-6))
      << factor.upper;
  EXPECT_FALSE(factor.dead.any().item<bool>());
  EXPECT_EQ(factor.damp_percent, 0.01);
  EXPECT_TRUE(
      at::allclose(plain_inverse_factor(kHessian, 0.01), expected.to(at::kDouble), 1e-6, 1e-6));
}

// 300 and 577 columns take several levels of blocks with odd rests; 1000 two strips.
TEST(InverseFactor, BlocksAgreeWithThreeDenseFactorizations) {
  for (const int64_t width : {1, 5, 96, 97, 300, 577, 1000}) {
    SCOPED_TRACE(width);
    at::manual_seed(width);
    const auto hessian = random_hessian(width, 2 * width + 3);
    const auto plain = plain_inverse_factor(hessian, 0.01);
    const auto fast = inverse_factor(hessian, 0.01).upper;
    const auto difference = (fast.to(at::kDouble) - plain).norm() / plain.norm();
    EXPECT_LT(difference.item<double>(), 1e-4);  // float32 against float64, condition about 1e4
    EXPECT_TRUE(at::equal(fast.tril(-1), at::zeros_like(fast)));
  }
}

TEST(InverseFactor, DoesNotDependOnThreads) {
  at::manual_seed(1);
  const auto hessian = random_hessian(333, 700);
  const int64_t usual = num_threads();
  set_num_threads(1);
  const auto one = inverse_factor(hessian, 0.01).upper;
  set_num_threads(3);
  const auto three = inverse_factor(hessian, 0.01).upper;
  set_num_threads(usual);
  EXPECT_TRUE(at::equal(one, three));
}

// A dead input counts as 1 in the diagonal's mean: (4 + 1 + 1) / 3 = 2, delta = 0.5 * 2 = 1.
TEST(InverseFactor, ADeadInputGetsAOne) {
  const auto hessian = torch::tensor({{4.0f, 0.0f, 0.0f}, {0.0f, 0.0f, 0.0f}, {0.0f, 0.0f, 1.0f}});
  const auto factor = inverse_factor(hessian, 0.5);
  EXPECT_TRUE(at::equal(factor.dead, torch::tensor({false, true, false})));
  const auto expected = (torch::tensor({5.0f, 2.0f, 2.0f})).rsqrt();
  EXPECT_TRUE(at::allclose(factor.upper, expected.diag()));
}

// Not positive definite: eigenvalues 1 +- 2. With damping d it is when 1 + d > 2.
TEST(InverseFactor, DampingGrowsTenfoldAndThenGivesUp) {
  const auto barely = torch::tensor({{1.0f, 1.05f}, {1.05f, 1.0f}});
  EXPECT_NEAR(inverse_factor(barely, 0.01).damp_percent, 0.1, 1e-12);
  const auto never = torch::tensor({{1.0f, 3.0f}, {3.0f, 1.0f}});
  const auto factor = inverse_factor(never, 0.01);
  EXPECT_TRUE(factor.is_identity);
  EXPECT_EQ(factor.damp_percent, 1);
  EXPECT_TRUE(at::equal(factor.upper, at::eye(2)));
  EXPECT_FALSE(plain_inverse_factor(never, 0.01).defined());
}

TEST(InverseFactor, RefusesWhatIsNoHessian) {
  const auto error_of = [](const at::Tensor& hessian, double damp) -> std::string {
    try {
      inverse_factor(hessian, damp);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_THAT(error_of(torch::ones({2, 3}), 0.01), testing::HasSubstr("must be square"));
  EXPECT_THAT(error_of(torch::full({2, 2}, NAN), 0.01), testing::HasSubstr("Hessian"));
  EXPECT_THAT(error_of(torch::eye(2), -1), testing::HasSubstr("damp_percent"));
}

}  // namespace
}  // namespace assay
