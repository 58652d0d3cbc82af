#include "kernels/elementwise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <random>

#include "kernels/exp.h"

namespace assay::kernels {
namespace {

std::vector<float> random_floats(size_t count, float scale, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(count);
  for (float& v : values) v = normal(random);
  return values;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(ExpFloat, StaysWithinTwoUnitsOfTheLastPlace) {
  for (int i = -870000; i <= 880000; i += 7) {
    const float x = static_cast<float>(i) * 1e-4f;
    const double exact = std::exp(static_cast<double>(x));
    EXPECT_NEAR(exp_float(x) / exact, 1.0, 2 * 1.2e-7) << x;
  }
  EXPECT_EQ(exp_float(0), 1.0f);
  EXPECT_EQ(exp_float(-87.1f), 0.0f);
  EXPECT_EQ(exp_float(-INFINITY), 0.0f);
  EXPECT_EQ(exp_float(1000.0f), exp_float(88.0f));
  EXPECT_TRUE(std::isnan(exp_float(NAN)));
}

TEST(SiluTimes, IsXTimesSigmoidAndTheSameWithAndWithoutVectors) {
  for (const size_t n : {1u, 7u, 8u, 100u, 70001u}) {
    const auto gate = random_floats(n, 20, n), up = random_floats(n, 1, n + 1);
    auto portable = gate, vector = gate;
    activate_times_(Activation::kSilu, portable.data(), up.data(), static_cast<int64_t>(n),
                    Isa::kPortable);
    activate_times_(Activation::kSilu, vector.data(), up.data(), static_cast<int64_t>(n));
    EXPECT_TRUE(same_bits(portable, vector)) << n;
    for (size_t i = 0; i < n; ++i) {
      const double g = static_cast<double>(gate[i]),
                   exact = g / (1 + std::exp(-g)) * static_cast<double>(up[i]);
      EXPECT_NEAR(static_cast<double>(portable[i]), exact, 1e-6 * std::abs(exact) + 1e-30);
    }
  }
}

double exact_activation(Activation activation, double x) {
  const double u = std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x);
  switch (activation) {
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kGeluTanh:
      return x / 2 * (1 + std::tanh(u));
    case Activation::kGelu:
      return x / 2 * (1 + std::erf(x / std::numbers::sqrt2));
    case Activation::kRelu:
      return std::max(x, 0.0);
  }
  return NAN;
}

TEST(Activate, IsItsDefinitionAndTheSameWithAndWithoutVectors) {
  for (const auto activation :
       {Activation::kSilu, Activation::kGeluTanh, Activation::kGelu, Activation::kRelu}) {
    for (const size_t n : {1u, 7u, 8u, 70001u}) {
      const auto x = random_floats(n, 6, n);
      auto portable = x, vector = x;
      activate_(activation, portable.data(), static_cast<int64_t>(n), Isa::kPortable);
      activate_(activation, vector.data(), static_cast<int64_t>(n));
      EXPECT_TRUE(same_bits(portable, vector)) << n;
      for (size_t i = 0; i < n; ++i) {
        // Where x is far below 0 the two terms of the definition cancel: an absolute bound.
        const double exact = exact_activation(activation, static_cast<double>(x[i]));
        EXPECT_NEAR(static_cast<double>(vector[i]), exact, 1e-6 * std::abs(exact) + 1e-6) << x[i];
      }
    }
  }
  // By hand: gelu(1) = 0.8413447, its tanh form 0.8411920.
  float one[] = {1, 1};
  activate_(Activation::kGelu, one, 1);
  activate_(Activation::kGeluTanh, one + 1, 1);
  EXPECT_NEAR(one[0], 0.8413447f, 1e-6f);
  EXPECT_NEAR(one[1], 0.8411920f, 1e-6f);
}

TEST(LayerNorm, MatchesHandComputedCaseAndHasTheSameBitsWithAndWithoutVectors) {
  // (1, 5): mean 3, deviations -2 and 2, variance 4; with eps 12 the root is 4: -0.5 and 0.5, times
  // (2, 4), plus (1, 0).
  const float x[] = {1, 5}, weight[] = {2, 4}, bias[] = {1, 0};
  float y[2];
  layer_norm(x, 1, weight, bias, 12, y);
  EXPECT_FLOAT_EQ(y[0], 0);
  EXPECT_FLOAT_EQ(y[1], 2);
  for (const int64_t n : {1, 9, 44, 576}) {
    const auto count = static_cast<size_t>(n * 70), width = static_cast<size_t>(n);
    const auto rows = random_floats(count, 3, 1), scale = random_floats(width, 1, 2),
               shift = random_floats(width, 1, 3);
    std::vector<float> portable(count), vector(count);
    layer_norm(rows.data(), 70, scale, shift, 1e-5, portable.data(), Isa::kPortable);
    layer_norm(rows.data(), 70, scale, shift, 1e-5, vector.data());
    EXPECT_TRUE(same_bits(portable, vector)) << n;
  }
}

TEST(RmsNorm, MatchesHandComputedCase) {
  // mean(3^2, 4^2) = 12.5; with eps 12.5 the root is 5: 2 * 3 / 5 = 1.2, 1 * 4 / 5 = 0.8
  const float x[] = {3, 4}, weight[] = {2, 1};
  float y[2];
  rms_norm(x, 1, weight, 12.5, y);
  EXPECT_FLOAT_EQ(y[0], 1.2f);
  EXPECT_FLOAT_EQ(y[1], 0.8f);
}

TEST(RmsNorm, HasTheSameBitsWithAndWithoutVectors) {
  for (const int64_t n : {1, 9, 44, 576}) {
    const auto count = static_cast<size_t>(n * 70);
    const auto x = random_floats(count, 3, 1), weight = random_floats(static_cast<size_t>(n), 1, 2);
    std::vector<float> portable(count), vector(count);
    rms_norm(x.data(), 70, weight, 1e-5, portable.data(), Isa::kPortable);
    rms_norm(x.data(), 70, weight, 1e-5, vector.data());
    EXPECT_TRUE(same_bits(portable, vector)) << n;
  }
}

TEST(RotaryTable, KeepsTheElementsBehindTheFrequencies) {
  const std::vector<float> frequencies{1};
  const RotaryTable table(frequencies, 2, 1, /*head_dim=*/3);
  std::vector<float> x = {1, 0, 5, 0, 1, 7};  // two heads of 3, of which 2 elements turn
  table.rotate_(x.data(), 1, 2, std::vector<int32_t>{1});
  EXPECT_FLOAT_EQ(x[0], std::cos(1.0f));
  EXPECT_FLOAT_EQ(x[1], std::sin(1.0f));
  EXPECT_EQ(x[2], 5);
  EXPECT_FLOAT_EQ(x[3], -std::sin(1.0f));
  EXPECT_EQ(x[5], 7);
}

TEST(RotaryTable, TurnsPairsByPositionTimesFrequency) {
  // head_dim 4, theta 100: frequencies 1 and 100^(-1/2) = 0.1. At position 2 the pairs (x0, x2) and
  // (x1, x3) turn by 2 and 0.2: (1, 0) becomes (cos 2, sin 2), (0, 1) becomes (-sin 0.2, cos 0.2).
  const std::vector<float> frequencies{1, 0.1f};
  const RotaryTable table(frequencies, 3);
  std::vector<float> x = {1, 0, 0, 1, /* a second head */ 0, 1, 1, 0};
  const std::vector<int32_t> positions = {2};
  table.rotate_(x.data(), 1, 2, positions);
  const double expected[] = {std::cos(2.0),  -std::sin(0.2), std::sin(2.0), std::cos(0.2),
                             -std::sin(2.0), std::cos(0.2),  std::cos(2.0), std::sin(0.2)};
  for (size_t i = 0; i < 8; ++i) EXPECT_NEAR(static_cast<double>(x[i]), expected[i], 1e-6) << i;
}

}  // namespace
}  // namespace assay::kernels
