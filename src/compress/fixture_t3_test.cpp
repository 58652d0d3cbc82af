// Fixture T3: an 8 x 256 layer and 512 calibration tokens from a generator that any language can
// repeat, with figures that a separate double-precision program computed. float64 selection must
// match all digits, float32 within 1 %.

#include <gtest/gtest.h>
#include <torch/types.h>

#include "compress/gptq.h"
#include "compress/magnitude.h"
#include "compress/rtn.h"
#include "compress/second_order.h"
#include "compress/sparsegpt.h"
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

// Weights are exact in float32, the Hessian is rounded to it. The figures are float64's: no
// decision of these runs lies within float32's rounding of its boundary, so counts and codes are
// the same, and losses agree to the rounding of the factor.
constexpr double kLossTolerance = 2e-4;  // relative

const SecondOrder& second_order() {
  static const SecondOrder s(fixture().hessian.to(at::kFloat));
  return s;
}

TEST(FixtureT3, FactorMatches) {
  const auto order = column_order(second_order().hessian().diagonal(), ColumnOrder::kGiven, -1);
  const auto& upper = second_order().factor(order, 0.01).upper;
  EXPECT_NEAR(upper[0][0].item<double>(), 0.136123636, 1e-6);
  EXPECT_NEAR(upper[0][1].item<double>(), 0.00238492551, 1e-6);
  EXPECT_NEAR(upper[255][255].item<double>(), 0.0963952818, 1e-6);
  const auto act = column_order(second_order().hessian().diagonal(), ColumnOrder::kActivation, -1);
  EXPECT_EQ((std::vector<int64_t>{act.begin(), act.begin() + 4}),
            (std::vector<int64_t>{199, 174, 144, 69}));
}

struct ExpectedSweep {
  int64_t zeros;
  double loss, half_trace, sum;
};

void expect_swept(const at::Tensor& values, double loss, const ExpectedSweep& expected) {
  EXPECT_EQ((values == 0).sum().item<int64_t>(), expected.zeros);
  EXPECT_NEAR(loss / expected.loss, 1, kLossTolerance);
  EXPECT_NEAR(fixture().half_trace(values) / expected.half_trace, 1, kLossTolerance);
  EXPECT_NEAR(values.to(at::kDouble).sum().item<double>(), expected.sum, 1e-3);
}

struct ExpectedCodes {
  int64_t sum, xor_of_codes;
};

void expect_codes(const at::Tensor& codes, const ExpectedCodes& expected) {
  EXPECT_EQ(codes.to(at::kLong).sum().item<int64_t>(), expected.sum);
  int64_t all = 0;
  for (int64_t row = 0; row < 8; ++row) {
    for (int64_t col = 0; col < 256; ++col) {
      all ^= codes[row][col].item<int64_t>() * (8 * col + row + 1);
    }
  }
  EXPECT_EQ(all, expected.xor_of_codes);
}

TEST(FixtureT3, SparseGptMatches) {
  struct Case {
    SparseGptConfig config;
    ExpectedSweep expected;
  };
  const std::vector<Case> cases{
      {{.sparsity = 0.5}, {1026, 45.518719, 42.896432, -3.014396}},
      {{.sparsity = 0.7}, {1434, 162.661876, 156.686127, -2.009303}},
      {{.pattern = NmPattern{2, 4}}, {1024, 76.157963, 72.301893, -2.953211}},
      {{.pattern = NmPattern{4, 8}}, {1024, 58.962402, 55.729708, -2.797536}},
      {{.pattern = NmPattern{2, 4}, .bits = 4}, {1030, 83.978005, 80.070136, -2.933320}}};
  const auto order = column_order(second_order().hessian().diagonal(), ColumnOrder::kGiven, -1);
  const InverseFactor& factor = second_order().factor(order, 0.01);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.expected.loss);
    const auto swept = sparsegpt(fixture().weight.to(at::kFloat), factor, c.config);
    expect_swept(swept.values, swept.loss, c.expected);
    if (c.config.bits == 4) expect_codes(swept.codes, {14864, 21875});
  }
}

TEST(FixtureT3, GptqMatches) {
  struct Case {
    GptqConfig config;
    ExpectedSweep expected;
    ExpectedCodes codes;
  };
  const QuantizerConfig row{.bits = 4, .group_size = -1}, g128{.bits = 4, .group_size = 128},
      g64{.bits = 4, .group_size = 64};
  const QuantizerConfig row3{.bits = 3, .group_size = -1},
      sym128{.bits = 4, .group_size = 128, .sym = true};
  GptqConfig stale{g64}, fixed{g64}, act{row}, act128{g128}, act_fixed{g64};
  stale.parity_lazy_groups = true;
  fixed.static_groups = true;
  act.desc_act = act128.desc_act = act_fixed.desc_act = true;
  act_fixed.static_groups = true;
  const std::vector<Case> cases{{{row}, {253, 9.850040, 9.526453, -3.264525}, {14835, 19557}},
                                {{row3}, {563, 47.192662, 45.832725, -3.071829}, {6794, 8213}},
                                {{sym128}, {237, 9.563013, 9.256586, -3.523890}, {16083, 17526}},
                                {stale, {220, 7.568660, 7.329765, -3.184678}, {15039, 16811}},
                                {{g64}, {218, 7.705107, 7.473554, -3.234835}, {15034, 9861}},
                                {fixed, {217, 7.393545, 7.172214, -3.199873}, {15099, 29365}},
                                {act, {253, 8.401873, 7.993567, -3.168946}, {14842, 2145}},
                                {act128, {234, 7.154741, 6.788960, -3.054584}, {15347, 12587}},
                                {act_fixed, {236, 6.319765, 5.993601, -3.454196}, {15075, 31582}}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.expected.loss);
    const auto order = column_order(second_order().hessian().diagonal(), column_order_of(c.config),
                                    c.config.group_size);
    const auto result = gptq(fixture().weight.to(at::kFloat),
                             second_order().factor(order, c.config.damp_percent), order, c.config);
    expect_swept(result.values, result.loss, c.expected);
    expect_codes(result.codes, c.codes);
  }
}

}  // namespace
}  // namespace assay
