#include "kernels/gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <tuple>
#include <vector>

#include "base/thread_pool.h"

namespace assay::kernels {
namespace {

std::vector<float> random_floats(int64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = normal(random);
  return values;
}

TEST(Multiply, MatchesHandComputedCase) {
  // x = | 1 2 |   W = | 3 4 |   x W^T = | 1*3+2*4  1*5+2*6  1*0+2*1 | = | 11 17 2 |
  //     | 0 1 |       | 5 6 |           | 0*3+1*4  0*5+1*6  0*0+1*1 |   |  4  6 1 |
  //                   | 0 1 |
  const float x[] = {1, 2, 0, 1}, w[] = {3, 4, 5, 6, 0, 1};
  std::vector<float> y(6);
  const auto packed = pack_weight(w, 3, 2);
  multiply(packed, x, 2, y.data());
  EXPECT_EQ(y, (std::vector<float>{11, 17, 2, 4, 6, 1}));
  multiply(packed, x, 2, y.data(), Output::kAdd);
  EXPECT_EQ(y, (std::vector<float>{22, 34, 4, 8, 12, 2}));
  for (int64_t i = 0; i < 3; ++i) multiply(packed, x, 2, y.data(), Output::kSubtract);
  EXPECT_EQ(y, (std::vector<float>{-11, -17, -2, -4, -6, -1}));
}

TEST(Multiply, TakesPartsOfMatrices) {
  // The hand-computed case, each matrix with one more column that is not looked at.
  const float x[] = {1, 2, 9, 0, 1, 9}, w[] = {3, 4, 9, 5, 6, 9, 0, 1, 9};
  std::vector<float> y(8, 9);
  multiply(pack_weight(w, 3, 3, 2, best_isa()), x, 3, 2, y.data(), 4, Output::kWrite);
  EXPECT_EQ(y, (std::vector<float>{11, 17, 2, 9, 4, 6, 1, 9}));
}

std::vector<float> transpose_of(const std::vector<float>& matrix, int64_t rows, int64_t columns) {
  std::vector<float> transposed(matrix.size());
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c)
      transposed[static_cast<size_t>(c * rows + r)] = matrix[static_cast<size_t>(r * columns + c)];
  }
  return transposed;
}

// At 512 floats a row tiles read a copy of x (rows share cache sets), at 700 they read x itself.
TEST(Multiply, HasTheSameBitsForATransposedInputAndAtEveryStride) {
  const int64_t rows = 250, in = 500, out = 70;
  const auto x = random_floats(rows * in, 9), w = random_floats(out * in, 10);
  const auto packed = pack_weight(w.data(), out, in);
  std::vector<float> expected(static_cast<size_t>(rows * out)), y(expected.size());
  multiply(packed, x.data(), rows, expected.data());
  for (const int64_t stride : {512, 700}) {
    std::vector<float> wide(static_cast<size_t>(rows * stride), NAN);
    for (int64_t r = 0; r < rows; ++r) std::copy_n(x.data() + r * in, in, wide.data() + r * stride);
    multiply(packed, wide.data(), stride, rows, y.data(), out, Output::kWrite);
    EXPECT_EQ(y, expected) << stride;
  }
  const auto turned = transpose_of(x, rows, in);
  multiply_panels_transposed(packed, turned.data(), rows, rows, 0, packed.num_panels(), y.data(),
                             out, Output::kWrite);
  EXPECT_EQ(y, expected);
}

TEST(RepackTransposed, TakesOverMemoryThatNobodyElseHolds) {
  const auto large = random_floats(40 * 30, 11), small = random_floats(20 * 30, 12);
  auto packed = pack_transposed(large.data(), 40, 40, 30);
  const float* memory = packed.panels.get();
  const auto expected = pack_transposed(small.data(), 20, 20, 30);
  const auto same_panels = [&] {
    const auto floats = static_cast<size_t>(expected.num_panels() * 30 * expected.panel_width);
    return std::memcmp(packed.panels.get(), expected.panels.get(), floats * sizeof(float)) == 0;
  };
  repack_transposed(packed, small.data(), 20, 20, 30);
  EXPECT_EQ(packed.panels.get(), memory);
  EXPECT_TRUE(same_panels());
  const PackedWeight other = packed;
  repack_transposed(packed, large.data(), 40, 40, 30);
  EXPECT_NE(packed.panels.get(), memory);
  packed = other;
  EXPECT_TRUE(same_panels()) << "what another holds was written to";
}

TEST(PackTransposed, IsThePackOfTheTranspose) {
  const int64_t in = 70, out = 45;
  const auto w = random_floats(out * in, 8), transposed = transpose_of(w, out, in);
  const auto expected = pack_weight(w.data(), out, in),
             packed = pack_transposed(transposed.data(), out, out, in);
  const auto count = static_cast<size_t>(packed.num_panels() * in * packed.panel_width);
  EXPECT_EQ(std::memcmp(packed.panels.get(), expected.panels.get(), count * sizeof(float)), 0);
}

// y - s and y + s in every instruction set, in whole tiles and at their edges.
TEST(Multiply, AddsAndSubtractsAlikeWithEveryInstructionSet) {
  const int64_t rows = 25, in = 500, out = 70;
  const auto x = random_floats(rows * in, 5), w = random_floats(out * in, 6),
             start = random_floats(rows * out, 7);
  for (const Output output : {Output::kAdd, Output::kSubtract}) {
    auto expected = start;
    multiply(pack_weight(w.data(), out, in, Isa::kPortable), x.data(), rows, expected.data(),
             output);
    for (const Isa isa : {Isa::kAvx2, Isa::kAvx512}) {
      if (!has_isa(isa)) continue;
      auto y = start;
      multiply(pack_weight(w.data(), out, in, isa), x.data(), rows, y.data(), output);
      EXPECT_EQ(y, expected) << isa_name(isa);
    }
  }
}

// The contract, written down once more: chunks of equal length of at most 320, each a chain of fma.
float defined_element(const float* x, const float* w, int64_t depth) {
  const int64_t num_chunks = (depth + 319) / 320, chunk = (depth + num_chunks - 1) / num_chunks;
  float y = 0;
  for (int64_t k = 0; k < depth; k += chunk) {
    float s = 0;
    for (int64_t i = k; i < std::min(k + chunk, depth); ++i) s = std::fma(x[i], w[i], s);
    y = k == 0 ? s : y + s;
  }
  return y;
}

TEST(Multiply, HasTheBitsOfTheDefinitionForAnyShapeInstructionSetAndNumberOfThreads) {
  const auto before = num_threads();
  for (const auto& [rows, in, out] : {std::tuple{1, 1, 1},
                                      {1, 576, 192},
                                      {5, 320, 33},
                                      {6, 321, 16},
                                      {7, 641, 40},
                                      {13, 100, 31},
                                      {121, 50, 390},
                                      {250, 7, 17}}) {
    const auto x = random_floats(rows * in, 1), w = random_floats(out * in, 2);
    std::vector<float> expected(static_cast<size_t>(rows * out)), y(expected.size());
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < out; ++c) {
        expected[static_cast<size_t>(r * out + c)] =
            defined_element(x.data() + r * in, w.data() + c * in, in);
      }
    }
    for (const Isa isa : {Isa::kPortable, Isa::kAvx2, Isa::kAvx512}) {
      if (!has_isa(isa)) continue;
      const auto packed = pack_weight(w.data(), out, in, isa);
      for (const int64_t threads : {1, 3}) {
        set_num_threads(threads);
        std::ranges::fill(y, NAN);
        multiply(packed, x.data(), rows, y.data());
        EXPECT_EQ(std::memcmp(y.data(), expected.data(), y.size() * sizeof(float)), 0)
            << isa_name(isa) << " " << rows << "x" << in << "x" << out << ", " << threads
            << " threads";
      }
    }
  }
  set_num_threads(before);
}

TEST(Multiply, SumsLongRowsCloseToTheSumInDouble) {
  const int64_t in = 1536, out = 64;
  const auto x = random_floats(in, 3), w = random_floats(in * out, 4);
  std::vector<float> y(static_cast<size_t>(out));
  multiply(pack_weight(w.data(), out, in), x.data(), 1, y.data());
  double squares = 0;
  for (int64_t c = 0; c < out; ++c) {
    double sum = 0;
    for (int64_t k = 0; k < in; ++k) {
      sum += static_cast<double>(x[static_cast<size_t>(k)]) *
             static_cast<double>(w[static_cast<size_t>(c * in + k)]);
    }
    squares += std::pow(static_cast<double>(y[static_cast<size_t>(c)]) - sum, 2);
  }
  // Sums of size sqrt(1536) = 39; rounding walks about sqrt(320 / 3) half units of their float32
  // spacing: 2e-5.
  EXPECT_LT(std::sqrt(squares / static_cast<double>(out)), 3e-5);
}

}  // namespace
}  // namespace assay::kernels
