#include "kernels/int8_mixed.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <new>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace assay::kernels {
namespace {

constexpr float kSmallestRow = 1e-30f;  // 127 over it is still finite
constexpr int64_t kMaxPanelWidth = 32;
constexpr int64_t kMaxTileRows = 12;
constexpr int64_t kPanelBlock = 24;
constexpr int64_t kRowsAtATime = 16;

template <class T>
std::shared_ptr<T[]> aligned_zeros(int64_t count) {
  const auto bytes = (static_cast<size_t>(count) * sizeof(T) + 63) / 64 * 64;
  std::shared_ptr<T[]> memory(static_cast<T*>(std::aligned_alloc(64, bytes)), std::free);
  if (!memory) throw std::bad_alloc();
  std::fill_n(memory.get(), static_cast<size_t>(count), T{0});
  return memory;
}

bool has_vnni() {
#if defined(__x86_64__)
  return has_isa(Isa::kAvx512) && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

// --- a row of x in 8 bits ---

struct RowRange {
  float largest = 0;         // of the magnitudes below the limit
  bool has_outlier = false;  // some magnitude is not below it
};

RowRange portable_range(const float* x, int64_t n, float limit) {
  RowRange range;
  for (int64_t j = 0; j < n; ++j) {
    const float size = std::abs(x[j]);
    if (size < limit) {
      range.largest = std::max(range.largest, size);
    } else {
      range.has_outlier = true;
    }
  }
  return range;
}

// code + offset; 0 + offset where the magnitude is not below the limit.
void portable_encode(const float* x, int64_t n, float limit, float factor, int offset,
                     uint8_t* codes) {
  for (int64_t j = 0; j < n; ++j) {
    const float code = std::abs(x[j]) < limit ? std::nearbyint(x[j] * factor) : 0.0f;
    codes[j] = static_cast<uint8_t>(static_cast<int>(code) + offset);
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) RowRange avx2_range(const float* x, int64_t n, float limit) {
  const __m256 sign = _mm256_set1_ps(-0.0f), bound = _mm256_set1_ps(limit);
  __m256 largest = _mm256_setzero_ps();
  int outside = 0;
  int64_t j = 0;
  for (; j + 8 <= n; j += 8) {
    const __m256 size = _mm256_andnot_ps(sign, _mm256_loadu_ps(x + j));
    const __m256 below = _mm256_cmp_ps(size, bound, _CMP_LT_OQ);
    largest = _mm256_max_ps(largest, _mm256_and_ps(size, below));
    outside |= ~_mm256_movemask_ps(below) & 0xff;
  }
  alignas(32) float lanes[8];
  _mm256_store_ps(lanes, largest);
  RowRange range = portable_range(x + j, n - j, limit);
  for (const float lane : lanes) range.largest = std::max(range.largest, lane);
  range.has_outlier = range.has_outlier || outside != 0;
  return range;
}

__attribute__((target("avx2,fma"))) void avx2_encode(const float* x, int64_t n, float limit,
                                                     float factor, int offset, uint8_t* codes) {
  const __m256 sign = _mm256_set1_ps(-0.0f), bound = _mm256_set1_ps(limit),
               scale = _mm256_set1_ps(factor);
  const __m128i shift = _mm_set1_epi8(static_cast<char>(offset));
  int64_t j = 0;
  for (; j + 8 <= n; j += 8) {
    const __m256 value = _mm256_loadu_ps(x + j);
    const __m256 below = _mm256_cmp_ps(_mm256_andnot_ps(sign, value), bound, _CMP_LT_OQ);
    const __m256i code =
        _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_and_ps(value, below), scale));  // half to even
    const __m128i words =
        _mm_packs_epi32(_mm256_castsi256_si128(code), _mm256_extracti128_si256(code, 1));
    const __m128i bytes = _mm_add_epi8(_mm_packs_epi16(words, words), shift);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(codes + j), bytes);
  }
  portable_encode(x + j, n - j, limit, factor, offset, codes + j);
}
#endif

// --- tiles: sums[r][c] = start[c] + sum over k of codes[r][k] * panel[k / 4][c][k % 4] ---

struct Tile {
  const uint8_t* codes;
  int64_t stride;  // bytes a row
  const int8_t* panel;
  int64_t quads;
  const int32_t* start;
  int32_t* sums;  // [rows][panel width]
};

// The definition, and the only kernel of machines without AVX2.
void portable_tile(const Tile& t, int64_t rows, int64_t width) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < width; ++c) {
      int32_t sum = t.start[c];
      for (int64_t k = 0; k < 4 * t.quads; ++k) {
        sum += static_cast<int8_t>(t.codes[r * t.stride + k]) *
               t.panel[(k / 4 * width + c) * 4 + k % 4];
      }
      t.sums[r * width + c] = sum;
    }
  }
}

void portable_outliers(const int8_t* panel, const float* scale, const int32_t* columns,
                       const float* values, int64_t count, int64_t width, float* out) {
  for (int64_t c = 0; c < width; ++c) {
    float sum = 0;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t k = columns[i];
      const float w = static_cast<float>(panel[(k / 4 * width + c) * 4 + k % 4]) * scale[c];
      sum = std::fma(values[i], w, sum);
    }
    out[c] = sum;
  }
}

// One row of a tile: v = fma(sum, row_scale * scale, outliers) -> y.
struct Finish {
  const int32_t* sums;
  const float* outliers;
  float row_scale;
  const float* scale;
  float* y;
  bool overwrite;  // else y is added to
};

void portable_finish(const Finish& f, int64_t columns) {
  for (int64_t c = 0; c < columns; ++c) {
    const float v =
        std::fma(static_cast<float>(f.sums[c]), f.row_scale * f.scale[c], f.outliers[c]);
    f.y[c] = f.overwrite ? v : f.y[c] + v;
  }
}

#if defined(__x86_64__)
// Bytes are multiplied as |code| (unsigned) by the weight under code's sign: pairs sum to at most
// 2 * 127 * 127 = 32258, which int16 holds.
template <int kRows>
__attribute__((target("avx2,fma"))) void avx2_tile(const Tile& t) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sum[kRows][2];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    sum[r][0] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(t.start));
    sum[r][1] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(t.start + 8));
  }
  const uint8_t* codes = t.codes;
  const int8_t* panel = t.panel;
  for (int64_t k = 0; k < t.quads; ++k, codes += 4, panel += 64) {
    const __m256i w0 = _mm256_load_si256(reinterpret_cast<const __m256i*>(panel));
    const __m256i w1 = _mm256_load_si256(reinterpret_cast<const __m256i*>(panel + 32));
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const __m256i quad = _mm256_set1_epi32(
          *reinterpret_cast<const int32_t*>(codes + r * t.stride));  // rows are 4-byte aligned
      const __m256i size = _mm256_abs_epi8(quad);
      const __m256i p0 = _mm256_maddubs_epi16(size, _mm256_sign_epi8(w0, quad));
      const __m256i p1 = _mm256_maddubs_epi16(size, _mm256_sign_epi8(w1, quad));
      sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(p0, ones));
      sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(p1, ones));
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(t.sums + r * 16), sum[r][0]);
    _mm256_store_si256(reinterpret_cast<__m256i*>(t.sums + r * 16 + 8), sum[r][1]);
  }
}

// Lane c: byte 3 - left / 8 of quad c, as a float.
__attribute__((target("avx2,fma"))) inline __m256 avx2_weights(const int8_t* quads, __m128i left) {
  const __m256i bytes = _mm256_load_si256(reinterpret_cast<const __m256i*>(quads));
  return _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_sll_epi32(bytes, left), 24));
}

__attribute__((target("avx2,fma"))) void avx2_outliers(const int8_t* panel, const float* scale,
                                                       const int32_t* columns, const float* values,
                                                       int64_t count, float* out) {
  const __m256 s0 = _mm256_loadu_ps(scale), s1 = _mm256_loadu_ps(scale + 8);
  __m256 sum0 = _mm256_setzero_ps(), sum1 = _mm256_setzero_ps();
  for (int64_t i = 0; i < count; ++i) {
    const int8_t* quads = panel + columns[i] / 4 * 64;
    const __m128i left = _mm_cvtsi32_si128(24 - 8 * (columns[i] % 4));
    const __m256 value = _mm256_set1_ps(values[i]);
    sum0 = _mm256_fmadd_ps(value, _mm256_mul_ps(avx2_weights(quads, left), s0), sum0);
    sum1 = _mm256_fmadd_ps(value, _mm256_mul_ps(avx2_weights(quads + 32, left), s1), sum1);
  }
  _mm256_store_ps(out, sum0);
  _mm256_store_ps(out + 8, sum1);
}

__attribute__((target("avx2,fma"))) void avx2_finish(const Finish& f, int64_t columns) {
  const __m256 row_scale = _mm256_set1_ps(f.row_scale);
  int64_t c = 0;
  for (; c + 8 <= columns; c += 8) {
    const __m256 sum =
        _mm256_cvtepi32_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(f.sums + c)));
    __m256 v = _mm256_fmadd_ps(sum, _mm256_mul_ps(row_scale, _mm256_loadu_ps(f.scale + c)),
                               _mm256_load_ps(f.outliers + c));
    if (!f.overwrite) v = _mm256_add_ps(_mm256_loadu_ps(f.y + c), v);
    _mm256_storeu_ps(f.y + c, v);
  }
  portable_finish({f.sums + c, f.outliers + c, f.row_scale, f.scale + c, f.y + c, f.overwrite},
                  columns - c);
}

// Codes are stored plus 128, as the instruction wants unsigned ones; the sums start at -128 times
// the sum of a row's weights.
template <int kRows>
__attribute__((target("avx512f,avx512bw,avx512vnni"))) void avx512_tile(const Tile& t) {
  __m512i sum[kRows][2];
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
    sum[r][0] = _mm512_loadu_si512(t.start);
    sum[r][1] = _mm512_loadu_si512(t.start + 16);
  }
  const uint8_t* codes = t.codes;
  const int8_t* panel = t.panel;
  for (int64_t k = 0; k < t.quads; ++k, codes += 4, panel += 128) {
    const __m512i w0 = _mm512_load_si512(panel), w1 = _mm512_load_si512(panel + 64);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const __m512i quad =
          _mm512_set1_epi32(*reinterpret_cast<const int32_t*>(codes + r * t.stride));
      sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], quad, w0);
      sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], quad, w1);
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
    _mm512_store_si512(t.sums + r * 32, sum[r][0]);
    _mm512_store_si512(t.sums + r * 32 + 16, sum[r][1]);
  }
}

using TileKernel = void (*)(const Tile&);
constexpr TileKernel kAvx2Tiles[] = {avx2_tile<1>, avx2_tile<2>, avx2_tile<3>, avx2_tile<4>};
constexpr TileKernel kAvx512Tiles[] = {avx512_tile<1>,  avx512_tile<2>,  avx512_tile<3>,
                                       avx512_tile<4>,  avx512_tile<5>,  avx512_tile<6>,
                                       avx512_tile<7>,  avx512_tile<8>,  avx512_tile<9>,
                                       avx512_tile<10>, avx512_tile<11>, avx512_tile<12>};

// The same for 16 quads. (The forms with a mask of all lanes, because GCC 12
// takes the plain ones to read what is not set.)
__attribute__((target("avx512f"))) inline __m512 avx512_weights(const int8_t* quads, __m128i left) {
  constexpr __mmask16 kAll = 0xffff;
  const __m512i high = _mm512_maskz_sll_epi32(kAll, _mm512_load_si512(quads), left);
  return _mm512_maskz_cvtepi32_ps(kAll, _mm512_maskz_sra_epi32(kAll, high, _mm_cvtsi32_si128(24)));
}

__attribute__((target("avx512f"))) void avx512_outliers(const int8_t* panel, const float* scale,
                                                        const int32_t* columns, const float* values,
                                                        int64_t count, float* out) {
  const __m512 s0 = _mm512_loadu_ps(scale), s1 = _mm512_loadu_ps(scale + 16);
  __m512 sum0 = _mm512_setzero_ps(), sum1 = _mm512_setzero_ps();
  for (int64_t i = 0; i < count; ++i) {
    const int8_t* quads = panel + columns[i] / 4 * 128;
    const __m128i left = _mm_cvtsi32_si128(24 - 8 * (columns[i] % 4));
    const __m512 value = _mm512_set1_ps(values[i]);
    sum0 = _mm512_fmadd_ps(value, _mm512_mul_ps(avx512_weights(quads, left), s0), sum0);
    sum1 = _mm512_fmadd_ps(value, _mm512_mul_ps(avx512_weights(quads + 64, left), s1), sum1);
  }
  _mm512_store_ps(out, sum0);
  _mm512_store_ps(out + 16, sum1);
}
#endif

// --- which kernel ---

int64_t tile_rows(Isa isa) {
  if (isa == Isa::kAvx512) return kMaxTileRows;
  return isa == Isa::kAvx2 ? 4 : 1;
}

int code_offset(Isa isa) { return isa == Isa::kAvx512 ? 128 : 0; }

RowRange row_range(Isa isa, const float* x, int64_t n, float limit) {
#if defined(__x86_64__)
  if (isa != Isa::kPortable) return avx2_range(x, n, limit);
#endif
  return portable_range(x, n, limit);
}

void encode_row(Isa isa, const float* x, int64_t n, float limit, float factor, uint8_t* codes) {
#if defined(__x86_64__)
  if (isa != Isa::kPortable) return avx2_encode(x, n, limit, factor, code_offset(isa), codes);
#endif
  portable_encode(x, n, limit, factor, code_offset(isa), codes);
}

void run_tile(const Int8Weight& weight, const Tile& t, int64_t rows) {
#if defined(__x86_64__)
  if (weight.isa == Isa::kAvx2) return kAvx2Tiles[rows - 1](t);
  if (weight.isa == Isa::kAvx512) return kAvx512Tiles[rows - 1](t);
#endif
  portable_tile(t, rows, weight.panel_width);
}

void sum_outliers(const Int8Weight& weight, const int8_t* panel, const float* scale,
                  const std::vector<int32_t>& columns, const std::vector<float>& values,
                  float* out) {
  const auto count = static_cast<int64_t>(values.size());
#if defined(__x86_64__)
  if (weight.isa == Isa::kAvx2) {
    return avx2_outliers(panel, scale, columns.data(), values.data(), count, out);
  }
  if (weight.isa == Isa::kAvx512) {
    return avx512_outliers(panel, scale, columns.data(), values.data(), count, out);
  }
#endif
  portable_outliers(panel, scale, columns.data(), values.data(), count, weight.panel_width, out);
}

void finish_row(Isa isa, const Finish& f, int64_t columns) {
#if defined(__x86_64__)
  if (isa != Isa::kPortable) return avx2_finish(f, columns);
#endif
  portable_finish(f, columns);
}

// --- the rows of a call ---

struct QuantizedRows {
  int64_t stride = 0;                             // bytes a row, a multiple of 4
  std::shared_ptr<uint8_t[]> codes;               // [rows, stride], plus code_offset
  std::vector<float> scale;                       // u_t
  std::vector<std::vector<int32_t>> own_columns;  // where the row itself has outliers, ascending
  std::vector<int32_t> shared_columns;            // with kBatch: where any row has
  std::vector<std::vector<float>> outliers;       // x at the columns set aside
  OutlierColumns mode = OutlierColumns::kPerRow;

  const std::vector<int32_t>& columns(int64_t row) const {
    return mode == OutlierColumns::kBatch ? shared_columns : own_columns[static_cast<size_t>(row)];
  }
};

void for_each_row(int64_t rows, const std::function<void(int64_t)>& fn) {
  parallel_for((rows + kRowsAtATime - 1) / kRowsAtATime, [&](int64_t block) {
    const int64_t end = std::min(rows, (block + 1) * kRowsAtATime);
    for (int64_t row = block * kRowsAtATime; row < end; ++row) fn(row);
  });
}

std::vector<int32_t> union_of(const std::vector<std::vector<int32_t>>& lists, int64_t n) {
  std::vector<char> is_in(static_cast<size_t>(n), 0);
  for (const auto& list : lists) {
    for (const int32_t j : list) is_in[static_cast<size_t>(j)] = 1;
  }
  std::vector<int32_t> all;
  for (int64_t j = 0; j < n; ++j) {
    if (is_in[static_cast<size_t>(j)]) all.push_back(static_cast<int32_t>(j));
  }
  return all;
}

QuantizedRows quantize_rows(const Int8Weight& weight, const LlmInt8Options& options, const float* x,
                            int64_t rows) {
  const int64_t n = weight.in_features;
  const float limit =
      options.threshold > 0 ? options.threshold : std::numeric_limits<float>::infinity();
  QuantizedRows q;
  q.stride = 4 * weight.num_quads();
  q.codes = aligned_zeros<uint8_t>(rows * q.stride);
  q.scale.resize(static_cast<size_t>(rows));
  q.own_columns.resize(static_cast<size_t>(rows));
  q.outliers.resize(static_cast<size_t>(rows));
  q.mode = options.outliers;
  for_each_row(rows, [&](int64_t row) {
    const float* values = x + row * n;
    const RowRange range = row_range(weight.isa, values, n, limit);
    const bool is_zero = range.largest < kSmallestRow;
    q.scale[static_cast<size_t>(row)] = is_zero ? 0 : range.largest / 127;
    uint8_t* codes = q.codes.get() + row * q.stride;
    encode_row(weight.isa, values, n, limit, is_zero ? 0 : 127 / range.largest, codes);
    if (!range.has_outlier) return;
    for (int64_t j = 0; j < n; ++j) {
      if (!(std::abs(values[j]) < limit)) {
        q.own_columns[static_cast<size_t>(row)].push_back(static_cast<int32_t>(j));
      }
    }
  });
  if (q.mode == OutlierColumns::kBatch) q.shared_columns = union_of(q.own_columns, n);
  for (int64_t row = 0; row < rows; ++row) {
    uint8_t* codes = q.codes.get() + row * q.stride;
    for (const int32_t j : q.columns(row)) {
      codes[j] = static_cast<uint8_t>(code_offset(weight.isa));
      q.outliers[static_cast<size_t>(row)].push_back(x[row * n + j]);
    }
  }
  return q;
}

void multiply_panels_int8(const Int8Weight& weight, const QuantizedRows& q, int64_t first_row,
                          int64_t last_row, int64_t first_panel, int64_t last_panel, float* y,
                          Output output) {
  alignas(64) int32_t sums[kMaxTileRows * kMaxPanelWidth];
  alignas(64) float outliers[kMaxPanelWidth];
  const int64_t width = weight.panel_width, step = tile_rows(weight.isa);
  for (int64_t p = first_panel; p < last_panel; ++p) {
    const int8_t* panel = weight.panels.get() + p * weight.num_quads() * width * 4;
    const float* scale = weight.scale.get() + p * width;
    const int64_t columns = std::min(width, weight.out_features - p * width);
    for (int64_t r = first_row; r < last_row; r += step) {
      const int64_t rows = std::min(step, last_row - r);
      run_tile(weight,
               {q.codes.get() + r * q.stride, q.stride, panel, weight.num_quads(),
                weight.start.get() + p * width, sums},
               rows);
      for (int64_t i = 0; i < rows; ++i) {
        const auto row = static_cast<size_t>(r + i);
        sum_outliers(weight, panel, scale, q.columns(r + i), q.outliers[row], outliers);
        finish_row(weight.isa,
                   {sums + i * width, outliers, q.scale[row], scale,
                    y + (r + i) * weight.out_features + p * width, output == Output::kWrite},
                   columns);
      }
    }
  }
}

}  // namespace

void quantize_rows_int8(const float* weight, int64_t rows, int64_t cols, int8_t* codes,
                        float* absmax) {
  for_each_row(rows, [&](int64_t row) {
    const float* w = weight + row * cols;
    float largest = 0;
    for (int64_t j = 0; j < cols; ++j) {
      require(std::isfinite(w[j]), "int8: the weight at [", row, ", ", j, "] is ", w[j]);
      largest = std::max(largest, std::abs(w[j]));
    }
    require(largest == 0 || largest >= kSmallestRow, "int8: the largest magnitude of row ", row,
            " is ", largest, ", too small to divide by");
    absmax[row] = largest;
    portable_encode(w, cols, std::numeric_limits<float>::infinity(),
                    largest == 0 ? 0 : 127 / largest, 0,
                    reinterpret_cast<uint8_t*>(codes) + row * cols);
  });
}

Int8Weight pack_int8_weight(const int8_t* codes, const float* absmax, int64_t out_features,
                            int64_t in_features, Isa isa) {
  require(out_features > 0 && in_features > 0, "pack_int8_weight: empty weight [", out_features,
          ", ", in_features, "]");
  require(in_features <= 65536, "pack_int8_weight: ", in_features,
          " input features; sums of more than 65536 may overflow");
  if (!has_isa(isa)) {
    fail(ErrorKind::kInternal, "pack_int8_weight: this processor has no ", isa_name(isa));
  }
  if (isa == Isa::kAvx512 && !has_vnni()) isa = Isa::kAvx2;
  Int8Weight packed{.in_features = in_features,
                    .out_features = out_features,
                    .panel_width = isa == Isa::kAvx512 ? 32 : 16,
                    .isa = isa,
                    .panels = {},
                    .scale = {},
                    .start = {}};
  const int64_t width = packed.panel_width, panels = packed.num_panels(),
                panel_bytes = packed.num_quads() * width * 4;
  packed.panels = aligned_zeros<int8_t>(panels * panel_bytes);
  packed.scale = aligned_zeros<float>(panels * width);
  packed.start = aligned_zeros<int32_t>(panels * width);
  parallel_for(panels, [&](int64_t p) {
    for (int64_t row = p * width; row < std::min((p + 1) * width, out_features); ++row) {
      require(std::isfinite(absmax[row]) && absmax[row] >= 0, "pack_int8_weight: absmax of row ",
              row, " is ", absmax[row]);
      int8_t* panel = packed.panels.get() + p * panel_bytes + (row - p * width) * 4;
      int32_t sum = 0;
      for (int64_t k = 0; k < in_features; ++k) {
        const int8_t code = codes[row * in_features + k];
        require(code != -128, "pack_int8_weight: the code at [", row, ", ", k, "] is -128");
        panel[k / 4 * width * 4 + k % 4] = code;
        sum += code;
      }
      packed.scale[row] = absmax[row] / 127;
      packed.start[row] = -code_offset(isa) * sum;
    }
  });
  return packed;
}

void multiply_int8(const Int8Weight& weight, const LlmInt8Options& options, const float* x,
                   int64_t num_rows, float* y, Output output) {
  require(options.threshold >= 0, "multiply_int8: threshold must be positive, or 0, got ",
          options.threshold);
  if (num_rows == 0) return;
  const QuantizedRows rows = quantize_rows(weight, options, x, num_rows);
  const int64_t row_blocks = (num_rows + kRowBlock - 1) / kRowBlock;
  const int64_t panel_blocks = (weight.num_panels() + kPanelBlock - 1) / kPanelBlock;
  parallel_for(row_blocks * panel_blocks, [&](int64_t i) {
    const int64_t r = i / panel_blocks * kRowBlock, p = i % panel_blocks * kPanelBlock;
    multiply_panels_int8(weight, rows, r, std::min(r + kRowBlock, num_rows), p,
                         std::min(p + kPanelBlock, weight.num_panels()), y, output);
  });
}

}  // namespace assay::kernels
