#include "kernels/int8_mixed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <set>
#include <tuple>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"

namespace assay::kernels {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr Isa kAll[] = {Isa::kPortable, Isa::kAvx2, Isa::kAvx512};

// Normal with a few large entries.
std::vector<float> random_floats(int64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = normal(random) * (random() % 50 == 0 ? 8.0f : 1.0f);
  return values;
}

struct Codes {
  std::vector<int8_t> codes;
  std::vector<float> absmax;
};

Codes codes_of(const std::vector<float>& weight, int64_t rows, int64_t cols) {
  Codes result{std::vector<int8_t>(weight.size()), std::vector<float>(static_cast<size_t>(rows))};
  quantize_rows_int8(weight.data(), rows, cols, result.codes.data(), result.absmax.data());
  return result;
}

// W: row 0 has absmax 1.27, codes 100 and -127; row 1 has absmax 127, codes 127 and 2.
// x: row 0 is 2 and 1: a = 2, codes 127 and 63.5 -> 64 (half to even). Row 1 has an outlier, 10,
// and 3: a = 3, codes 0 and 127.
//   y[0][0] = (127 * 100 + 64 * -127) * (2 / 127) * (1.27 / 127)   = 4572 * 2 / 12700
//   y[0][1] = (127 * 127 + 64 * 2) * (2 / 127) * (127 / 127)       = 16257 * 2 / 127
//   y[1][0] = 127 * -127 * (3 / 127) * 0.01 + 10 * 1.00            = -3.81 + 10
//   y[1][1] = 127 * 2 * (3 / 127) * 1 + 10 * 127                   = 6 + 1270
TEST(MultiplyInt8, MatchesHandComputedCase) {
  const int8_t codes[] = {100, -127, 127, 2};
  const float absmax[] = {1.27f, 127.0f}, x[] = {2, 1, 10, 3};
  const std::vector<float> expected{4572 * 2 / 12700.0f, 16257 * 2 / 127.0f, 6.19f, 1276};
  for (const Isa isa : kAll) {
    if (!has_isa(isa)) continue;
    std::vector<float> y(4);
    const auto weight = pack_int8_weight(codes, absmax, 2, 2, isa);
    multiply_int8(weight, {}, x, 2, y.data());
    for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(y[i] / expected[i], 1, 1e-6) << i;
    multiply_int8(weight, {}, x, 2, y.data(), Output::kAdd);
    for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(y[i] / expected[i], 2, 2e-6) << i;
  }
}

// As published, column 0 is set aside for row 0 too, whose a stays 2:
//   y[0][0] = 64 * -127 * 2 / 12700 + 2 * 1.00
TEST(MultiplyInt8, OneRowsOutlierIsEverysWithBatchColumns) {
  const int8_t codes[] = {100, -127};
  const float absmax[] = {1.27f}, x[] = {2, 1, 10, 3};
  std::vector<float> y(2);
  multiply_int8(pack_int8_weight(codes, absmax, 1, 2), {.outliers = OutlierColumns::kBatch}, x, 2,
                y.data());
  EXPECT_NEAR(y[0], 64 * -127 * 2 / 12700.0f + 2, 1e-6f);
  EXPECT_NEAR(y[1], 6.19f, 1e-6f);
}

// The contract, written down once more.
std::vector<float> defined(const Codes& w, const LlmInt8Options& options,
                           const std::vector<float>& x, int64_t rows, int64_t in, int64_t out) {
  const float limit = options.threshold > 0 ? options.threshold : INFINITY;
  const auto at = [&](int64_t r, int64_t j) { return x[static_cast<size_t>(r * in + j)]; };
  std::vector<std::set<int64_t>> aside(static_cast<size_t>(rows));
  std::set<int64_t> all;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t j = 0; j < in; ++j) {
      if (!(std::abs(at(r, j)) < limit)) aside[static_cast<size_t>(r)].insert(j);
    }
    all.insert(aside[static_cast<size_t>(r)].begin(), aside[static_cast<size_t>(r)].end());
  }
  std::vector<float> y;
  for (int64_t r = 0; r < rows; ++r) {
    const auto& own = aside[static_cast<size_t>(r)];
    const auto& columns = options.outliers == OutlierColumns::kBatch ? all : own;
    float a = 0;
    for (int64_t j = 0; j < in; ++j) {
      if (!own.contains(j)) a = std::max(a, std::abs(at(r, j)));
    }
    for (int64_t c = 0; c < out; ++c) {
      const float scale = w.absmax[static_cast<size_t>(c)] / 127;
      int32_t sum = 0;
      float outliers = 0;
      for (int64_t j = 0; j < in; ++j) {
        const int8_t code = w.codes[static_cast<size_t>(c * in + j)];
        if (columns.contains(j)) {
          outliers = std::fma(at(r, j), static_cast<float>(code) * scale, outliers);
        } else if (a >= 1e-30f) {
          sum += static_cast<int32_t>(std::nearbyint(at(r, j) * (127 / a))) * code;
        }
      }
      const float row_scale = a >= 1e-30f ? a / 127 : 0;
      y.push_back(std::fma(static_cast<float>(sum), row_scale * scale, outliers));
    }
  }
  return y;
}

TEST(MultiplyInt8, HasTheBitsOfTheDefinitionForAnyShapeInstructionSetAndNumberOfThreads) {
  const auto before = num_threads();
  for (const auto& [rows, in, out] : {std::tuple{1, 1, 1},
                                      {1, 576, 192},
                                      {3, 7, 33},
                                      {5, 130, 70},
                                      {13, 101, 31},
                                      {26, 64, 64},
                                      {121, 50, 390},
                                      {250, 9, 17}}) {
    auto x = random_floats(rows * in, 1);
    const auto w = codes_of(random_floats(out * in, 2), out, in);
    if (rows > 2) std::fill_n(x.begin() + in, in, 0.0f);  // row 1 is zero
    for (const auto outliers : {OutlierColumns::kPerRow, OutlierColumns::kBatch}) {
      for (const float threshold : {0.0f, 0.5f, 6.0f, 1e-3f}) {
        const LlmInt8Options options{.threshold = threshold, .outliers = outliers};
        const auto expected = defined(w, options, x, rows, in, out);
        std::vector<float> y(expected.size());
        for (const Isa isa : kAll) {
          if (!has_isa(isa)) continue;
          const auto packed = pack_int8_weight(w.codes.data(), w.absmax.data(), out, in, isa);
          for (const int64_t threads : {1, 3}) {
            set_num_threads(threads);
            std::ranges::fill(y, NAN);
            multiply_int8(packed, options, x.data(), rows, y.data());
            EXPECT_EQ(std::memcmp(y.data(), expected.data(), y.size() * sizeof(float)), 0)
                << isa_name(isa) << " " << rows << "x" << in << "x" << out << ", threshold "
                << threshold << ", " << threads << " threads";
          }
        }
      }
    }
  }
  set_num_threads(before);
}

// What makes scores independent of batches. With the columns of the batch it does not hold.
TEST(MultiplyInt8, ARowIsItsOwnWithPerRowColumns) {
  const int64_t rows = 40, in = 96, out = 50;
  const auto x = random_floats(rows * in, 3);
  const auto w = codes_of(random_floats(out * in, 4), out, in);
  const auto packed = pack_int8_weight(w.codes.data(), w.absmax.data(), out, in);
  std::vector<float> y(static_cast<size_t>(rows * out)), alone(static_cast<size_t>(out));
  for (const auto outliers : {OutlierColumns::kPerRow, OutlierColumns::kBatch}) {
    const LlmInt8Options options{.outliers = outliers};
    multiply_int8(packed, options, x.data(), rows, y.data());
    int64_t num_equal = 0;
    for (int64_t r = 0; r < rows; ++r) {
      multiply_int8(packed, options, x.data() + r * in, 1, alone.data());
      num_equal += std::memcmp(alone.data(), y.data() + r * out, alone.size() * sizeof(float)) == 0;
    }
    if (outliers == OutlierColumns::kPerRow) {
      EXPECT_EQ(num_equal, rows);
    } else {
      EXPECT_LT(num_equal, rows);
    }
  }
}

// With every column set aside it is the float product with dequantized weights, a chain of fma.
TEST(MultiplyInt8, WithAllColumnsAsideItIsTheFloatProduct) {
  const int64_t in = 200, out = 20;
  auto x = random_floats(in, 5);
  for (float& v : x) v = std::copysign(std::max(std::abs(v), 1e-2f), v);
  const auto w = codes_of(random_floats(out * in, 6), out, in);
  std::vector<float> values(w.codes.size()), y(static_cast<size_t>(out)), dense(y.size());
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(w.codes[i]) * (w.absmax[i / static_cast<size_t>(in)] / 127);
  }
  multiply_int8(pack_int8_weight(w.codes.data(), w.absmax.data(), out, in), {.threshold = 1e-3f},
                x.data(), 1, y.data());
  multiply(pack_weight(values.data(), out, in), x.data(), 1, dense.data());
  EXPECT_EQ(y, dense);  // one chunk: the same chain
}

// Without outliers: half a step of either operand, times the other, summed.
TEST(MultiplyInt8, WithoutOutliersTheErrorIsHalfAStepPerOperand) {
  const int64_t in = 300, out = 16;
  const auto x = random_floats(in, 7), weight = random_floats(out * in, 8);
  const auto w = codes_of(weight, out, in);
  std::vector<float> y(static_cast<size_t>(out));
  multiply_int8(pack_int8_weight(w.codes.data(), w.absmax.data(), out, in), {.threshold = 0},
                x.data(), 1, y.data());
  double x_step = 0;
  for (const float v : x) x_step = std::max(x_step, static_cast<double>(std::abs(v)) / 127);
  for (int64_t c = 0; c < out; ++c) {
    const double w_step = static_cast<double>(w.absmax[static_cast<size_t>(c)]) / 127;
    double exact = 0, bound = 1e-4;
    for (int64_t j = 0; j < in; ++j) {
      const double a = static_cast<double>(x[static_cast<size_t>(j)]),
                   b = static_cast<double>(weight[static_cast<size_t>(c * in + j)]);
      exact += a * b;
      bound += std::abs(a) * w_step / 2 + std::abs(b) * x_step / 2 + x_step * w_step / 4;
    }
    EXPECT_LE(std::abs(static_cast<double>(y[static_cast<size_t>(c)]) - exact), bound);
  }
}

// All codes are 127, so that every partial sum is as large as it gets: 16129 * 65536 < 2^31.
TEST(MultiplyInt8, TheLongestRowDoesNotOverflow) {
  const int64_t in = 65536;
  const std::vector<int8_t> codes(static_cast<size_t>(in), 127), minus(codes.size(), -127);
  const std::vector<float> x(static_cast<size_t>(in), 1.0f), low(x.size(), -1.0f);
  const float absmax = 127;
  for (const Isa isa : kAll) {
    if (!has_isa(isa)) continue;
    float y = 0;
    multiply_int8(pack_int8_weight(codes.data(), &absmax, 1, in, isa), {}, x.data(), 1, &y);
    EXPECT_NEAR(y / (127.0f * 65536), 1, 1e-6);
    multiply_int8(pack_int8_weight(minus.data(), &absmax, 1, in, isa), {}, low.data(), 1, &y);
    EXPECT_NEAR(y / (127.0f * 65536), 1, 1e-6);
  }
  EXPECT_THROW(pack_int8_weight(codes.data(), &absmax, 1, in + 1), Error);
}

TEST(MultiplyInt8, WhatIsNotFiniteReachesTheOutput) {
  const int8_t codes[] = {1, 2, 3, 4, 5};
  const float absmax = 1;
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    for (const float threshold : {0.0f, 6.0f}) {
      for (const Isa isa : kAll) {
        if (!has_isa(isa)) continue;
        const float x[] = {1, bad, 1, 1, 1, 1, 1, 1, 1, 1};
        float y[2];
        multiply_int8(pack_int8_weight(codes, &absmax, 1, 5, isa), {.threshold = threshold}, x, 2,
                      y);
        EXPECT_FALSE(std::isfinite(y[0]));
        EXPECT_TRUE(std::isfinite(y[1]));
      }
    }
  }
}

TEST(MultiplyInt8, RefusesWhatItCannotMultiply) {
  const int8_t codes[] = {1, -128};
  const float absmax[] = {1, NAN};
  float y = 0;
  EXPECT_THAT([&] { pack_int8_weight(codes, absmax, 1, 2); },
              ThrowsMessage<Error>(HasSubstr("[0, 1] is -128")));
  EXPECT_THAT([&] { pack_int8_weight(codes, absmax + 1, 1, 1); },
              ThrowsMessage<Error>(HasSubstr("absmax of row 0 is nan")));
  EXPECT_THROW(pack_int8_weight(codes, absmax, 0, 2), Error);
  const auto weight = pack_int8_weight(codes, absmax, 1, 1);
  EXPECT_THROW(multiply_int8(weight, {.threshold = -1}, absmax, 1, &y), Error);
  EXPECT_THROW(multiply_int8(weight, {.threshold = NAN}, absmax, 1, &y), Error);
  int8_t out[1];
  float scale[1];
  EXPECT_THAT([&] { quantize_rows_int8(absmax + 1, 1, 1, out, scale); },
              ThrowsMessage<Error>(HasSubstr("the weight at [0, 0] is nan")));
}

}  // namespace
}  // namespace assay::kernels
