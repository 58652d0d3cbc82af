#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <random>

namespace assay::kernels {
namespace {

std::vector<float> random_floats(int64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = normal(random);
  return values;
}

TEST(Attention, MatchesHandComputedCase) {
  // One head of 4. Query (2, 0, 0, 0) / sqrt(4) scores key_0 = (ln 3, ..) with ln 3 and key_1 = 0
  // with 0: weights 3 : 1, so values 8 and 4 give 7. The first query sees key_0 alone: 8.
  const float log3 = std::log(3.0f);
  const std::vector<float> q = {2, 0, 0, 0, 2, 0, 0, 0}, k = {log3, 0, 0, 0, 0, 0, 0, 0};
  const std::vector<float> v = {8, 8, 8, 8, 4, 4, 4, 4};
  std::vector<float> out(8);
  const QueryRun run{.queries = q.data(),
                     .out = out.data(),
                     .num_rows = 2,
                     .first_position = 0,
                     .path = {{.keys = k.data(), .values = v.data(), .num_rows = 2}}};
  attention({.num_heads = 1, .num_kv_heads = 1, .head_dim = 4}, {&run, 1});
  for (int d = 0; d < 4; ++d) {
    EXPECT_FLOAT_EQ(out[static_cast<size_t>(d)], 8.0f);
    EXPECT_FLOAT_EQ(out[static_cast<size_t>(4 + d)], 7.0f);
  }
}

struct Case {
  AttentionShape shape;
  int64_t length;
};

// A path of `length` rows whose keys lie in one piece, every row a query.
std::vector<float> whole(const Case& c, const std::vector<float>& q, const std::vector<float>& k,
                         const std::vector<float>& v, Isa isa) {
  std::vector<float> out(q.size());
  const QueryRun run{.queries = q.data(),
                     .out = out.data(),
                     .num_rows = c.length,
                     .first_position = 0,
                     .path = {{.keys = k.data(), .values = v.data(), .num_rows = c.length}}};
  attention(c.shape, {&run, 1}, isa);
  return out;
}

class AttentionCases : public testing::TestWithParam<Case> {};

TEST_P(AttentionCases, AgreesWithTheDefinitionInDouble) {
  const auto& [shape, length] = GetParam();
  const int64_t width = shape.num_heads * shape.head_dim,
                kv_width = shape.num_kv_heads * shape.head_dim;
  const auto q = random_floats(length * width, 1), k = random_floats(length * kv_width, 2);
  const auto v = random_floats(length * kv_width, 3);
  const auto out = whole(GetParam(), q, k, v, best_isa());
  for (int64_t r = 0; r < length; ++r) {
    for (int64_t h = 0; h < shape.num_heads; ++h) {
      const int64_t key_head = h / (shape.num_heads / shape.num_kv_heads);
      std::vector<double> weights;
      double sum = 0;
      const int64_t first = first_seen(shape, r);
      for (int64_t j = first; j <= r; ++j) {
        double dot = 0;
        for (int64_t d = 0; d < shape.head_dim; ++d) {
          dot += static_cast<double>(q[static_cast<size_t>(r * width + h * shape.head_dim + d)]) *
                 static_cast<double>(
                     k[static_cast<size_t>(j * kv_width + key_head * shape.head_dim + d)]);
        }
        const double cap = shape.softcap;
        double score = dot * (shape.scale > 0 ? static_cast<double>(shape.scale)
                                              : 1 / std::sqrt(static_cast<double>(shape.head_dim)));
        if (cap > 0) score = cap * std::tanh(score / cap);
        if (!shape.alibi_slopes.empty()) {
          score += static_cast<double>(shape.alibi_slopes[static_cast<size_t>(h)]) *
                   static_cast<double>(j - r);  // a shift of a row changes nothing
        }
        weights.push_back(std::exp(score));
        sum += weights.back();
      }
      for (int64_t d = 0; d < shape.head_dim; ++d) {
        double expected = 0;
        for (int64_t j = first; j <= r; ++j) {
          expected += weights[static_cast<size_t>(j - first)] / sum *
                      static_cast<double>(
                          v[static_cast<size_t>(j * kv_width + key_head * shape.head_dim + d)]);
        }
        // Weights sum to 1 over values of size 1: a few float32 roundings.
        EXPECT_NEAR(
            static_cast<double>(out[static_cast<size_t>(r * width + h * shape.head_dim + d)]),
            expected, 3e-6);
      }
    }
  }
}

TEST_P(AttentionCases, HasTheSameBitsHoweverThePathIsCutAndWithoutVectors) {
  const auto& [shape, length] = GetParam();
  const int64_t width = shape.num_heads * shape.head_dim,
                kv_width = shape.num_kv_heads * shape.head_dim;
  const auto q = random_floats(length * width, 1), k = random_floats(length * kv_width, 2);
  const auto v = random_floats(length * kv_width, 3);
  const auto expected = whole(GetParam(), q, k, v, best_isa());
  const auto same = [&](const std::vector<float>& out) {
    return std::memcmp(out.data(), expected.data(), out.size() * sizeof(float)) == 0;
  };
  EXPECT_TRUE(same(whole(GetParam(), q, k, v, Isa::kPortable)));

  std::mt19937_64 random(7);
  for (int trial = 0; trial < 5; ++trial) {
    std::vector<KeyRun> path;  // the keys in random pieces, each somewhere else in memory
    std::vector<std::vector<float>> memory;
    for (int64_t j = 0; j < length;) {
      const int64_t rows = std::min<int64_t>(length - j, 1 + static_cast<int64_t>(random() % 9));
      memory.emplace_back(k.begin() + j * kv_width, k.begin() + (j + rows) * kv_width);
      memory.emplace_back(v.begin() + j * kv_width, v.begin() + (j + rows) * kv_width);
      path.push_back({.keys = memory[memory.size() - 2].data(),
                      .values = memory.back().data(),
                      .num_rows = rows});
      j += rows;
    }
    std::vector<float> out(q.size());
    std::vector<QueryRun> runs;  // the queries in random pieces
    for (int64_t r = 0; r < length;) {
      const int64_t rows = std::min<int64_t>(length - r, 1 + static_cast<int64_t>(random() % 12));
      runs.push_back({.queries = q.data() + r * width,
                      .out = out.data() + r * width,
                      .num_rows = rows,
                      .first_position = r,
                      .path = path});
      r += rows;
    }
    attention(shape, runs);
    EXPECT_TRUE(same(out)) << trial;
  }
}

constexpr std::array kSlopes{0.25f, 0.0625f, 0.5f, 0.125f};

INSTANTIATE_TEST_SUITE_P(
    Bent, AttentionCases,
    testing::Values(
        Case{{.num_heads = 4, .num_kv_heads = 2, .head_dim = 16, .scale = 0.1f, .softcap = 2}, 70},
        Case{{.num_heads = 2, .num_kv_heads = 1, .head_dim = 6, .window = 5, .softcap = 1}, 40},
        Case{{.num_heads = 4, .num_kv_heads = 4, .head_dim = 8, .alibi_slopes = kSlopes}, 70}));

INSTANTIATE_TEST_SUITE_P(
    Shapes, AttentionCases,
    testing::Values(Case{{.num_heads = 9, .num_kv_heads = 3, .head_dim = 64}, 75},
                    Case{{.num_heads = 4, .num_kv_heads = 4, .head_dim = 8}, 21},
                    Case{{.num_heads = 8, .num_kv_heads = 1, .head_dim = 40}, 133},
                    Case{{.num_heads = 2, .num_kv_heads = 1, .head_dim = 6},
                         30},  // no whole vector
                    Case{{.num_heads = 2, .num_kv_heads = 2, .head_dim = 16}, 1},
                    Case{{.num_heads = 6, .num_kv_heads = 2, .head_dim = 32, .window = 21}, 133},
                    Case{{.num_heads = 2, .num_kv_heads = 1, .head_dim = 6, .window = 5}, 40},
                    Case{{.num_heads = 2, .num_kv_heads = 1, .head_dim = 8, .window = 1}, 19}));

TEST(Attention, AWindowIsTheFirstPositionsThatAreSeen) {
  const AttentionShape all{}, window{.window = 3};
  EXPECT_EQ(first_seen(all, 100), 0);
  EXPECT_EQ(first_seen(window, 2), 0);
  EXPECT_EQ(first_seen(window, 3), 1);
  EXPECT_EQ(first_seen(window, 10), 8);
}

}  // namespace
}  // namespace assay::kernels
