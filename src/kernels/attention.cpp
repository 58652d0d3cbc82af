#include "kernels/attention.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/thread_pool.h"
#include "kernels/exp.h"

namespace assay::kernels {
namespace {

constexpr int64_t kBlockRows = 8;   // query rows that share the reads of a path
constexpr int64_t kValueTile = 64;  // value rows of a head that stay in the first cache
constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// Some query rows of one run and one key head: its `num_queries` = rows * group vectors, and the
// path under them.
struct Block {
  int64_t head_dim = 0, num_queries = 0, num_keys = 0;
  float scale = 0, softcap = 0;
  int64_t first_key = 0;      // the position of key 0
  std::vector<float> slopes;  // of each query's head; empty without ALiBi
  std::vector<const float*> queries, keys, values;
  std::vector<float*> outs;
  std::vector<int64_t> starts, lengths;  // keys [start, length) are seen by a query, both ascending
  int64_t stride = 0;                    // floats a query in `weights`: num_keys rounded up to 8
  std::vector<float> weights;            // scores, then exp(score - max), 0 behind a query's length
  std::vector<float> sums;
};

float sum_lanes(const std::array<float, 8>& lane) {
  return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

void fill_block(const AttentionShape& shape, const QueryRun& run, int64_t first_row,
                int64_t kv_head, Block& b) {
  const int64_t rows = std::min(kBlockRows, run.num_rows - first_row),
                group = shape.num_heads / shape.num_kv_heads;
  b.head_dim = shape.head_dim;
  b.scale = score_scale(shape);
  b.softcap = shape.softcap;
  b.num_queries = rows * group;
  // Keys that no row sees are left out, in eights: the chains of a sum start at position 0.
  const int64_t first_key = first_seen(shape, run.first_position + first_row) / 8 * 8;
  b.first_key = first_key;
  b.num_keys = run.first_position + first_row + rows - first_key;
  b.stride = (b.num_keys + 7) / 8 * 8;
  b.queries.clear(), b.outs.clear(), b.keys.clear(), b.values.clear();
  b.starts.clear(), b.lengths.clear(), b.slopes.clear();
  for (int64_t r = first_row; r < first_row + rows; ++r) {
    for (int64_t h = kv_head * group; h < (kv_head + 1) * group; ++h) {
      b.queries.push_back(run.queries + (r * shape.num_heads + h) * shape.head_dim);
      b.outs.push_back(run.out + (r * shape.num_heads + h) * shape.head_dim);
      if (!shape.alibi_slopes.empty())
        b.slopes.push_back(shape.alibi_slopes[static_cast<size_t>(h)]);
      const int64_t position = run.first_position + r;
      b.starts.push_back(first_seen(shape, position) - first_key);
      b.lengths.push_back(position + 1 - first_key);
    }
  }
  int64_t behind = first_key;  // rows of the path to pass over
  for (const KeyRun& keys : run.path) {
    const int64_t left = b.num_keys - static_cast<int64_t>(b.keys.size());
    const int64_t first = std::min(behind, keys.num_rows);
    behind -= first;
    for (int64_t i = first; i < std::min(first + left, keys.num_rows); ++i) {
      const int64_t at = (i * shape.num_kv_heads + kv_head) * shape.head_dim;
      b.keys.push_back(keys.keys + at);
      b.values.push_back(keys.values + at);
    }
  }
  if (static_cast<int64_t>(b.keys.size()) != b.num_keys)
    fail(ErrorKind::kInternal, "attention: path too short");
  b.weights.resize(static_cast<size_t>(b.num_queries * b.stride));
  b.sums.resize(static_cast<size_t>(b.num_queries));
}

// Scores of keys that a query does not see are never read by softmax_portable; the others write
// them and mask them.
void scores_portable(Block& b) {
  for (int64_t q = 0; q < b.num_queries; ++q) {
    for (int64_t j = b.starts[static_cast<size_t>(q)]; j < b.lengths[static_cast<size_t>(q)]; ++j) {
      std::array<float, 8> lane{};
      for (int64_t d = 0; d < b.head_dim; ++d) {
        float& l = lane[static_cast<size_t>(d % 8)];
        l = std::fma(b.queries[static_cast<size_t>(q)][d], b.keys[static_cast<size_t>(j)][d], l);
      }
      b.weights[static_cast<size_t>(q * b.stride + j)] = sum_lanes(lane) * b.scale;
    }
  }
}

// The caps and slopes of scores that are seen, where there are any.
void bend_scores(Block& b) {
  if (b.softcap == 0 && b.slopes.empty()) return;
  for (int64_t q = 0; q < b.num_queries; ++q) {
    float* row = b.weights.data() + q * b.stride;
    const auto query = static_cast<size_t>(q);
    for (int64_t j = b.starts[query]; j < b.lengths[query]; ++j) {
      if (b.softcap > 0) row[j] = b.softcap * std::tanh(row[j] / b.softcap);
      if (!b.slopes.empty()) row[j] += b.slopes[query] * static_cast<float>(b.first_key + j);
    }
  }
}

void softmax_portable(Block& b) {
  for (int64_t q = 0; q < b.num_queries; ++q) {
    const std::span row(b.weights.data() + q * b.stride, static_cast<size_t>(b.stride));
    const auto start = static_cast<size_t>(b.starts[static_cast<size_t>(q)]),
               length = static_cast<size_t>(b.lengths[static_cast<size_t>(q)]);
    const float max = *std::ranges::max_element(row.subspan(start, length - start));
    std::array<float, 8> lane{};
    for (size_t j = 0; j < row.size(); ++j) {
      row[j] = start <= j && j < length ? exp_float(row[j] - max) : 0.0f;
      lane[j % 8] += row[j];
    }
    b.sums[static_cast<size_t>(q)] = sum_lanes(lane);
  }
}

void weighted_values_portable(Block& b) {
  for (int64_t q = 0; q < b.num_queries; ++q) {
    for (int64_t d = 0; d < b.head_dim; ++d) {
      float sum = 0;
      for (int64_t j = 0; j < b.num_keys; ++j) {
        sum = std::fma(b.weights[static_cast<size_t>(q * b.stride + j)],
                       b.values[static_cast<size_t>(j)][d], sum);
      }
      b.outs[static_cast<size_t>(q)][d] = sum / b.sums[static_cast<size_t>(q)];
    }
  }
}

#if defined(__x86_64__)
// kQueries x 4 scores: the registers hold 12 chains.
template <int kQueries>
__attribute__((target("avx2,fma"))) void score_tile(const float* const* queries,
                                                    const float* const* keys, int64_t head_dim,
                                                    float scale, float* out, int64_t stride) {
  __m256 sum[kQueries][4];
#pragma GCC unroll 3
  for (int q = 0; q < kQueries; ++q)
    sum[q][0] = sum[q][1] = sum[q][2] = sum[q][3] = _mm256_setzero_ps();
  for (int64_t d = 0; d < head_dim; d += 8) {
    const __m256 k0 = _mm256_loadu_ps(keys[0] + d), k1 = _mm256_loadu_ps(keys[1] + d);
    const __m256 k2 = _mm256_loadu_ps(keys[2] + d), k3 = _mm256_loadu_ps(keys[3] + d);
#pragma GCC unroll 3
    for (int q = 0; q < kQueries; ++q) {
      const __m256 value = _mm256_loadu_ps(queries[q] + d);
      sum[q][0] = _mm256_fmadd_ps(value, k0, sum[q][0]);
      sum[q][1] = _mm256_fmadd_ps(value, k1, sum[q][1]);
      sum[q][2] = _mm256_fmadd_ps(value, k2, sum[q][2]);
      sum[q][3] = _mm256_fmadd_ps(value, k3, sum[q][3]);
    }
  }
#pragma GCC unroll 3
  for (int q = 0; q < kQueries; ++q) {
    const __m256 pairs =
        _mm256_hadd_ps(_mm256_hadd_ps(sum[q][0], sum[q][1]), _mm256_hadd_ps(sum[q][2], sum[q][3]));
    const __m128 dots = _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1));
    _mm_storeu_ps(out + q * stride, _mm_mul_ps(dots, _mm_set1_ps(scale)));
  }
}

void scores_avx2(Block& b) {
  const float* last[4];
  for (int64_t j = 0; j < b.num_keys; j += 4) {
    const float* const* keys = b.keys.data() + j;
    if (b.num_keys - j < 4) {  // the missing keys repeat the last; their scores are masked
      for (int64_t i = 0; i < 4; ++i) last[i] = keys[std::min(i, b.num_keys - j - 1)];
      keys = last;
    }
    for (int64_t q = 0; q < b.num_queries; q += 3) {
      const int64_t count = std::min<int64_t>(3, b.num_queries - q);
      if (j >= b.lengths[static_cast<size_t>(q + count - 1)]) continue;
      if (j + 4 <= b.starts[static_cast<size_t>(q)]) continue;
      const float* const* queries = b.queries.data() + q;
      float* out = b.weights.data() + q * b.stride + j;
      const auto kernel = count == 3 ? score_tile<3> : count == 2 ? score_tile<2> : score_tile<1>;
      kernel(queries, keys, b.head_dim, b.scale, out, b.stride);
    }
  }
}

__attribute__((target("avx2,fma"))) void softmax_avx2(Block& b) {
  for (int64_t q = 0; q < b.num_queries; ++q) {
    float* row = b.weights.data() + q * b.stride;
    const int64_t length = b.lengths[static_cast<size_t>(q)], padded = (length + 7) / 8 * 8;
    std::fill(row, row + b.starts[static_cast<size_t>(q)], kMinusInfinity);
    std::fill(row + length, row + padded, kMinusInfinity);
    __m256 max8 = _mm256_loadu_ps(row);
    for (int64_t j = 8; j < padded; j += 8) max8 = _mm256_max_ps(max8, _mm256_loadu_ps(row + j));
    std::array<float, 8> lane{};
    _mm256_storeu_ps(lane.data(), max8);
    const __m256 max = _mm256_set1_ps(*std::ranges::max_element(lane));
    __m256 sum = _mm256_setzero_ps();
    for (int64_t j = 0; j < padded; j += 8) {
      const __m256 p = exp_avx2(_mm256_sub_ps(_mm256_loadu_ps(row + j), max));
      _mm256_storeu_ps(row + j, p);
      sum = _mm256_add_ps(sum, p);
    }
    std::fill(row + padded, row + b.stride, 0.0f);
    _mm256_storeu_ps(lane.data(), sum);
    b.sums[static_cast<size_t>(q)] = sum_lanes(lane);
  }
}

// Adds weight * value over some keys to kQueries x (8 kVectors) elements of out.
template <int kQueries, int kVectors>
__attribute__((target("avx2,fma"))) void value_tile(const float* weights, int64_t stride,
                                                    const float* const* values, int64_t d,
                                                    int64_t num_keys, float* const* outs) {
  __m256 sum[kQueries][kVectors];
#pragma GCC unroll 3
  for (int q = 0; q < kQueries; ++q) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[q][v] = _mm256_loadu_ps(outs[q] + d + 8 * v);
  }
  for (int64_t j = 0; j < num_keys; ++j) {
    __m256 value[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) value[v] = _mm256_loadu_ps(values[j] + d + 8 * v);
#pragma GCC unroll 3
    for (int q = 0; q < kQueries; ++q) {
      const __m256 weight = _mm256_broadcast_ss(weights + q * stride + j);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[q][v] = _mm256_fmadd_ps(weight, value[v], sum[q][v]);
    }
  }
#pragma GCC unroll 3
  for (int q = 0; q < kQueries; ++q) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) _mm256_storeu_ps(outs[q] + d + 8 * v, sum[q][v]);
  }
}

using ValueKernel = void (*)(const float*, int64_t, const float* const*, int64_t, int64_t,
                             float* const*);
constexpr ValueKernel kValueTiles[3][4] = {
    {value_tile<1, 1>, value_tile<1, 2>, value_tile<1, 3>, value_tile<1, 4>},
    {value_tile<2, 1>, value_tile<2, 2>, value_tile<2, 3>, value_tile<2, 4>},
    {value_tile<3, 1>, value_tile<3, 2>, value_tile<3, 3>, value_tile<3, 4>}};

__attribute__((target("avx2,fma"))) void weighted_values_avx2(Block& b) {
  for (float* out : b.outs) std::fill(out, out + b.head_dim, 0.0f);
  for (int64_t j = 0; j < b.num_keys; j += kValueTile) {
    const int64_t keys = std::min(kValueTile, b.num_keys - j);
    for (int64_t q = 0; q < b.num_queries; q += 3) {
      const int64_t queries = std::min<int64_t>(3, b.num_queries - q);
      for (int64_t d = 0; d < b.head_dim; d += 32) {
        const int64_t vectors = std::min<int64_t>(4, (b.head_dim - d) / 8);
        kValueTiles[queries - 1][vectors - 1](b.weights.data() + q * b.stride + j, b.stride,
                                              b.values.data() + j, d, keys, b.outs.data() + q);
      }
    }
  }
  for (int64_t q = 0; q < b.num_queries; ++q) {
    const __m256 sum = _mm256_set1_ps(b.sums[static_cast<size_t>(q)]);
    float* out = b.outs[static_cast<size_t>(q)];
    for (int64_t d = 0; d < b.head_dim; d += 8) {
      _mm256_storeu_ps(out + d, _mm256_div_ps(_mm256_loadu_ps(out + d), sum));
    }
  }
}
#endif

void run_block(Block& b, [[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
  if (isa != Isa::kPortable && b.head_dim % 8 == 0) {
    scores_avx2(b);
    bend_scores(b);
    softmax_avx2(b);
    weighted_values_avx2(b);
    return;
  }
#endif
  scores_portable(b);
  bend_scores(b);
  softmax_portable(b);
  weighted_values_portable(b);
}

}  // namespace

float score_scale(const AttentionShape& shape) {
  if (shape.scale > 0) return shape.scale;
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(shape.head_dim)));
}

void attention(const AttentionShape& shape, std::span<const QueryRun> runs, Isa isa) {
  struct Unit {
    const QueryRun* run;
    int64_t first_row, kv_head;
  };
  std::vector<Unit> units;
  for (const QueryRun& run : runs) {
    for (int64_t kv_head = 0; kv_head < shape.num_kv_heads; ++kv_head) {
      for (int64_t r = 0; r < run.num_rows; r += kBlockRows) units.push_back({&run, r, kv_head});
    }
  }
  parallel_for(static_cast<int64_t>(units.size()), [&](int64_t i) {
    static thread_local Block block;  // keeps its memory from call to call
    const Unit& unit = units[static_cast<size_t>(i)];
    fill_block(shape, *unit.run, unit.first_row, unit.kv_head, block);
    run_block(block, isa);
  });
}

}  // namespace assay::kernels
