#include "kernels/kv_cache.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/thread_pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace assay::kernels {
namespace {

constexpr int64_t kRowsOfATask = 64;

struct Range {
  float lo = std::numeric_limits<float>::infinity();
  float hi = -std::numeric_limits<float>::infinity();
  float trace = 0;  // sum of 0 * x: NaN once an x is not finite
};

// Codes count from `first` to `last`; their values are base + code * step, those two lo and hi.
struct Grid {
  float base, step, lo, hi, first, last;
};

void widen_portable(const float* x, int64_t n, Range& range) {
  for (int64_t i = 0; i < n; ++i) {
    range.lo = std::min(range.lo, x[i]);
    range.hi = std::max(range.hi, x[i]);
    range.trace += 0.0f * x[i];
  }
}

void round_portable(float* x, int64_t n, const Grid& grid) {
  constexpr float kShift = 12582912.0f;  // 1.5 * 2^23: adding it leaves no fraction bits
  for (int64_t i = 0; i < n; ++i) {
    const float code = ((x[i] - grid.base) / grid.step + kShift) - kShift;
    const float value = std::fma(code, grid.step, grid.base);
    x[i] = code <= grid.first ? grid.lo : code >= grid.last ? grid.hi : value;
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void widen_avx2(const float* x, int64_t n, Range& range) {
  __m256 lo = _mm256_set1_ps(range.lo), hi = _mm256_set1_ps(range.hi);
  __m256 trace = _mm256_setzero_ps();
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256 v = _mm256_loadu_ps(x + i);
    lo = _mm256_min_ps(lo, v);
    hi = _mm256_max_ps(hi, v);
    trace = _mm256_fmadd_ps(_mm256_setzero_ps(), v, trace);
  }
  std::array<float, 8> los{}, his{}, traces{};
  _mm256_storeu_ps(los.data(), lo);
  _mm256_storeu_ps(his.data(), hi);
  _mm256_storeu_ps(traces.data(), trace);
  range.lo = *std::ranges::min_element(los);
  range.hi = *std::ranges::max_element(his);
  for (const float t : traces) range.trace += t;
  widen_portable(x + i, n - i, range);
}

__attribute__((target("avx2,fma"))) void round_avx2(float* x, int64_t n, const Grid& grid) {
  const __m256 base = _mm256_set1_ps(grid.base), step = _mm256_set1_ps(grid.step);
  const __m256 lo = _mm256_set1_ps(grid.lo), hi = _mm256_set1_ps(grid.hi);
  const __m256 first = _mm256_set1_ps(grid.first), last = _mm256_set1_ps(grid.last);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256 steps = _mm256_div_ps(_mm256_sub_ps(_mm256_loadu_ps(x + i), base), step);
    const __m256 code = _mm256_round_ps(steps, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 value = _mm256_fmadd_ps(code, step, base);
    value = _mm256_blendv_ps(value, hi, _mm256_cmp_ps(code, last, _CMP_GE_OQ));
    value = _mm256_blendv_ps(value, lo, _mm256_cmp_ps(code, first, _CMP_LE_OQ));
    _mm256_storeu_ps(x + i, value);
  }
  round_portable(x + i, n - i, grid);
}
#endif

Grid grid_of(const Range& range, const KvCacheFormat& format) {
  // + 0: which of -0 and 0 is the smaller depends on who asks.
  float lo = range.lo + 0.0f, hi = range.hi + 0.0f;
  if (!format.sym) {
    const auto last = static_cast<float>((int64_t{1} << format.bits) - 1);
    return {lo, (hi - lo) / last, lo, hi, 0, last};
  }
  const auto last = static_cast<float>((int64_t{1} << (format.bits - 1)) - 1);
  hi = std::max(-lo, hi);
  return {0, hi / last, -hi, hi, -last, last};
}

void group_through_cache_(float* x, int64_t n, const KvCacheFormat& format,
                          [[maybe_unused]] Isa isa) {
  Range range;
#if defined(__x86_64__)
  const bool vector = isa != Isa::kPortable;
  if (vector) {
    widen_avx2(x, n, range);
  } else {
    widen_portable(x, n, range);
  }
#else
  widen_portable(x, n, range);
#endif
  const Grid grid = grid_of(range, format);
  require(range.trace == 0 && std::isfinite(grid.step),
          "a group of the cache holds a value that is not finite, or spans more than float32 does");
  if (grid.step < std::numeric_limits<float>::min()) {
    std::fill_n(x, n, grid.base);
    return;
  }
#if defined(__x86_64__)
  if (vector) return round_avx2(x, n, grid);
#endif
  round_portable(x, n, grid);
}

}  // namespace

void through_cache_(float* x, int64_t num_rows, int64_t num_heads, int64_t head_dim,
                    const KvCacheFormat& format, Isa isa) {
  require(format.bits >= 2 && format.bits <= 8, "kv_cache: bits must be in [2, 8], got ",
          format.bits);
  require(format.group_size == -1 || format.group_size > 0,
          "kv_cache: group_size must be positive or -1 (all of a head), got ", format.group_size);
  const int64_t group_size = format.group_size == -1 ? head_dim : format.group_size;
  parallel_for((num_rows + kRowsOfATask - 1) / kRowsOfATask, [&](int64_t task) {
    const int64_t first_head = task * kRowsOfATask * num_heads;
    const int64_t end_head = std::min(first_head + kRowsOfATask * num_heads, num_rows * num_heads);
    for (int64_t head = first_head; head < end_head; ++head) {
      for (int64_t c = 0; c < head_dim; c += group_size) {
        group_through_cache_(x + head * head_dim + c, std::min(group_size, head_dim - c), format,
                             isa);
      }
    }
  });
}

}  // namespace assay::kernels
