#include "kernels/int8_tiles.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace assay::kernels::int8 {
namespace {

bool has_vnni() {
#if defined(__x86_64__)
  return has_isa(Isa::kAvx512) && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

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
inline int32_t quad_at(const uint8_t* codes) {
  int32_t quad = 0;
  std::memcpy(&quad, codes, sizeof quad);
  return quad;
}

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

// The definition, and the only kernel of machines without AVX2.
void portable_tile(const SumTile& t, int64_t rows, int64_t width) {
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

void portable_outliers(const OutlierTile& t, int64_t rows, int64_t width) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < width; ++c) {
      float sum = 0;
      for (int64_t i = 0; i < t.count; ++i) {
        const int64_t k = t.columns[i];
        const int8_t code = t.panel[(k / 4 * width + c) * 4 + k % 4];
        sum = std::fma(t.x[r * t.x_stride + k], static_cast<float>(code) * t.scale[c], sum);
      }
      t.out[r * width + c] = sum;
    }
  }
}

void portable_finish(const FinishedRow& f, int64_t columns) {
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
__attribute__((target("avx2,fma"))) void avx2_tile(const SumTile& t) {
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
      const __m256i quad = _mm256_set1_epi32(quad_at(codes + r * t.stride));
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

template <int kRows>
__attribute__((target("avx2,fma"))) void avx2_outliers(const OutlierTile& t) {
  const __m256 s0 = _mm256_loadu_ps(t.scale), s1 = _mm256_loadu_ps(t.scale + 8);
  __m256 sum[kRows][2];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_ps();
  for (int64_t i = 0; i < t.count; ++i) {
    const int32_t k = t.columns[i];
    const int8_t* quads = t.panel + k / 4 * 64;
    const __m128i left = _mm_cvtsi32_si128(24 - 8 * (k % 4));
    const __m256 w0 = _mm256_mul_ps(avx2_weights(quads, left), s0);
    const __m256 w1 = _mm256_mul_ps(avx2_weights(quads + 32, left), s1);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const __m256 value = _mm256_broadcast_ss(t.x + r * t.x_stride + k);
      sum[r][0] = _mm256_fmadd_ps(value, w0, sum[r][0]);
      sum[r][1] = _mm256_fmadd_ps(value, w1, sum[r][1]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    _mm256_store_ps(t.out + r * 16, sum[r][0]);
    _mm256_store_ps(t.out + r * 16 + 8, sum[r][1]);
  }
}

__attribute__((target("avx2,fma"))) void avx2_finish(const FinishedRow& f, int64_t columns) {
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
__attribute__((target("avx512f,avx512bw,avx512vnni"))) void avx512_tile(const SumTile& t) {
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
      const __m512i quad = _mm512_set1_epi32(quad_at(codes + r * t.stride));
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

using TileKernel = void (*)(const SumTile&);
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

template <int kRows>
__attribute__((target("avx512f"))) void avx512_outliers(const OutlierTile& t) {
  const __m512 s0 = _mm512_loadu_ps(t.scale), s1 = _mm512_loadu_ps(t.scale + 16);
  __m512 sum[kRows][2];
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = _mm512_setzero_ps();
  for (int64_t i = 0; i < t.count; ++i) {
    const int32_t k = t.columns[i];
    const int8_t* quads = t.panel + k / 4 * 128;
    const __m128i left = _mm_cvtsi32_si128(24 - 8 * (k % 4));
    const __m512 w0 = _mm512_mul_ps(avx512_weights(quads, left), s0);
    const __m512 w1 = _mm512_mul_ps(avx512_weights(quads + 64, left), s1);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const __m512 value = _mm512_set1_ps(t.x[r * t.x_stride + k]);
      sum[r][0] = _mm512_fmadd_ps(value, w0, sum[r][0]);
      sum[r][1] = _mm512_fmadd_ps(value, w1, sum[r][1]);
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
    _mm512_store_ps(t.out + r * 32, sum[r][0]);
    _mm512_store_ps(t.out + r * 32 + 16, sum[r][1]);
  }
}

using OutlierKernel = void (*)(const OutlierTile&);
constexpr OutlierKernel kAvx2Outliers[] = {avx2_outliers<1>, avx2_outliers<2>, avx2_outliers<3>,
                                           avx2_outliers<4>};
constexpr OutlierKernel kAvx512Outliers[] = {
    avx512_outliers<1>, avx512_outliers<2>,  avx512_outliers<3>,  avx512_outliers<4>,
    avx512_outliers<5>, avx512_outliers<6>,  avx512_outliers<7>,  avx512_outliers<8>,
    avx512_outliers<9>, avx512_outliers<10>, avx512_outliers<11>, avx512_outliers<12>};
#endif
}  // namespace

Isa usable_isa(Isa isa) { return isa == Isa::kAvx512 && !has_vnni() ? Isa::kAvx2 : isa; }

int64_t panel_width(Isa isa) { return isa == Isa::kAvx512 ? 32 : 16; }

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

void sum_tile(Isa isa, const SumTile& t, int64_t rows) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx2) return kAvx2Tiles[rows - 1](t);
  if (isa == Isa::kAvx512) return kAvx512Tiles[rows - 1](t);
#endif
  portable_tile(t, rows, panel_width(isa));
}

void sum_outliers(Isa isa, const OutlierTile& t, int64_t rows) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx2) return kAvx2Outliers[rows - 1](t);
  if (isa == Isa::kAvx512) return kAvx512Outliers[rows - 1](t);
#endif
  portable_outliers(t, rows, panel_width(isa));
}

void finish_row(Isa isa, const FinishedRow& f, int64_t columns) {
#if defined(__x86_64__)
  if (isa != Isa::kPortable) return avx2_finish(f, columns);
#endif
  portable_finish(f, columns);
}
}  // namespace assay::kernels::int8
