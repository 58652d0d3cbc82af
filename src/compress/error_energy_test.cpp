#include "compress/error_energy.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "base/error.h"
#include "base/thread_pool.h"

namespace assay {
namespace {

// Tokens of T1 and the errors [1, 0, 0, 1] and [0, 2, 0, 0]: outputs 1 1.5 -0.5 and 1 2 4, squares
// 1 + 2.25 + 0.25 and 1 + 4 + 16: together 24.5.
TEST(ErrorEnergy, MatchesHandComputedCase) {
  const auto tokens = torch::tensor(
      {{1.0f, 0.5f, -2.0f, 0.0f}, {0.5f, 1.0f, 1.0f, 1.0f}, {-1.0f, 2.0f, 0.5f, 0.5f}});
  const auto errors = torch::tensor({{1.0f, 0.0f, 0.0f, 1.0f}, {0.0f, 2.0f, 0.0f, 0.0f}});
  for (const EnergyForm form : {EnergyForm::kTokens, EnergyForm::kGram}) {
    EXPECT_EQ(ErrorEnergy(tokens, form)(errors), 24.5);
  }
}

TEST(ErrorEnergy, BothFormsAreTheSumOverTokens) {
  for (const uint64_t seed : {1u, 2u, 3u}) {
    SCOPED_TRACE(seed);
    at::manual_seed(seed);
    // More tokens than enter G at once, more channels than a band, both with tails.
    const auto tokens = torch::randn({1403, 1601}) + torch::randn({1403, 1});
    const auto errors = torch::randn({130, 1601}) * 0.01;
    const double expected =
        errors.to(at::kDouble).matmul(tokens.to(at::kDouble).t()).square().sum().item<double>();
    for (const EnergyForm form : {EnergyForm::kTokens, EnergyForm::kGram}) {
      // float32 sums of some 1000 terms: 1e-6 of the larger of many
      EXPECT_NEAR(ErrorEnergy(tokens, form)(errors) / expected, 1, 5e-6);
    }
  }
}

TEST(ErrorEnergy, TakesTheFormWithFewerProducts) {
  // 20 * 4096 rows: tokens pay 81920 * t, G pays (t + 81920) * 2048.
  EXPECT_EQ(cheaper_energy_form(2048, 4096, 81920), EnergyForm::kTokens);
  EXPECT_EQ(cheaper_energy_form(2200, 4096, 81920), EnergyForm::kGram);
}

TEST(ErrorEnergy, DoesNotDependOnTheNumberOfThreads) {
  at::manual_seed(4);
  const auto tokens = torch::randn({300, 900}), errors = torch::randn({250, 900});
  const int64_t threads = num_threads();
  for (const EnergyForm form : {EnergyForm::kTokens, EnergyForm::kGram}) {
    set_num_threads(1);
    const double one = ErrorEnergy(tokens, form)(errors);
    set_num_threads(2);
    EXPECT_EQ(ErrorEnergy(tokens, form)(errors), one);
  }
  set_num_threads(threads);
}

TEST(ErrorEnergy, RefusesWhatIsNotFinite) {
  EXPECT_THROW(ErrorEnergy(torch::full({2, 3}, INFINITY), EnergyForm::kGram), Error);
  EXPECT_THROW(ErrorEnergy(torch::ones({2, 3}), EnergyForm::kGram)(torch::ones({2, 4})), Error);
}

}  // namespace
}  // namespace assay
