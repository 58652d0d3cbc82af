// Fixture T3: an 8 x 256 layer and 512 calibration tokens from a generator that any language can
// repeat, with figures that a separate double-precision program computed. float64 selection must
// match all digits, float32 within 1 %.

#include <gtest/gtest.h>
#include <torch/types.h>

#include "compress/magnitude.h"
#include "compress/rtn.h"
#include "compress/wanda.h"

namespace assay {
namespace {

// Sums of four 16-bit halves of a linear congruential generator, centred: near-normal and exact in
// float32.
class Generator {
 public:
  double operator()() {
    uint32_t sum = 0;
    for (int i = 0; i < 4; ++i) {
      state_ = state_ * 1664525u + 1013904223u;
      sum += state_ >> 16;
    }
    return (static_cast<double>(sum) - 131070) / 65536;
  }

 private:
  uint32_t state_ = 1234;
};

struct Fixture {
  at::Tensor weight = at::empty({8, 256}, at::kDouble);
  at::Tensor tokens = at::empty({512, 256}, at::kDouble);
  at::Tensor hessian, input_norm;

  Fixture() {
    Generator g;
    auto w = weight.accessor<double, 2>();
    for (int row = 0; row < 8; ++row) {
      for (int col = 0; col < 256; ++col) w[row][col] = g() / 16;
    }
    auto x = tokens.accessor<double, 2>();
    for (int token = 0; token < 512; ++token) {
      const double common = g();
      for (int j = 0; j < 256; ++j) x[token][j] = (g() + common / 2) * (1 + j % 5);
    }
    hessian = tokens.t().matmul(tokens) * (2.0 / 4);  // four sequences of 128 tokens
    input_norm = (tokens.square().sum(0) / 4).sqrt();
  }

  double half_trace(const at::Tensor& compressed) const {
    const auto delta = compressed.to(at::kDouble) - weight;
    return 0.5 * (delta.matmul(hessian) * delta).sum().item<double>();
  }
};

const Fixture& fixture() {
  static const Fixture f;
  return f;
}

int64_t xor_of_pruned(const at::Tensor& keep) {
  int64_t result = 0;
  for (int64_t row = 0; row < 8; ++row) {
    for (int64_t col = 0; col < 256; ++col) {
      if (!keep[row][col].item<bool>()) result ^= 8 * col + row + 1;
    }
  }
  return result;
}

TEST(FixtureT3, IsTheGeneratorsOutput) {
  EXPECT_NEAR(fixture().weight[0][0].item<double>(), 0.00105667114, 1e-11);
  EXPECT_NEAR(fixture().weight[0][2].item<double>(), 0.014090538, 1e-9);
  EXPECT_NEAR(fixture().tokens[0][2].item<double>(), 4.11060333, 1e-8);
  EXPECT_NEAR(fixture().hessian.diag().mean().item<double>(), 1187.40703, 1e-5);
}

struct Expected {
  int64_t zeros;
  double half_trace, sum;
  int64_t xor_of_pruned;
};

void expect_pruned(const at::Tensor& keep, const Expected& expected) {
  const auto pruned = fixture().weight * keep;
  EXPECT_EQ((~keep).sum().item<int64_t>(), expected.zeros);
  EXPECT_NEAR(fixture().half_trace(pruned), expected.half_trace, 1e-6);
  EXPECT_NEAR(pruned.sum().item<double>(), expected.sum, 1e-6);
  EXPECT_EQ(xor_of_pruned(keep), expected.xor_of_pruned);
}

TEST(FixtureT3, PruningMatchesInFloat64AndFloat32) {
  const Expected magnitude{1025, 137.879878, -2.722740, 3854},
      wanda{1024, 61.516514, -1.900203, 3144}, two_four{1024, 113.184166, -1.948202, 3296},
      four_eight{1024, 76.245710, -2.778265, 3080};
  // The weights are exact in float32; the norms are not, and no score lies within their rounding of
  // a boundary.
  for (const auto dtype : {at::kDouble, at::kFloat}) {
    const auto weight = fixture().weight.to(dtype), norm = fixture().input_norm.to(dtype);
    expect_pruned(magnitude_keep_mask(weight, {.sparsity = 0.5}), magnitude);
    expect_pruned(wanda_keep_mask(weight, norm, {.sparsity = 0.5}), wanda);
    expect_pruned(wanda_keep_mask(weight, norm, {.pattern = NmPattern{2, 4}}), two_four);
    expect_pruned(wanda_keep_mask(weight, norm, {.pattern = NmPattern{4, 8}}), four_eight);
  }
}

TEST(FixtureT3, RtnMatches) {
  const auto result = rtn_quantize(fixture().weight, {{.bits = 4, .group_size = -1}});
  EXPECT_EQ(result.codes.to(at::kLong).sum().item<int64_t>(), 14810);
  EXPECT_NEAR(fixture().half_trace(result.values), 14.022709,
              1e-4);  // float32 scales: 1e-7 of each weight
}

}  // namespace
}  // namespace assay
