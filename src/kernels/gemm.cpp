#include "kernels/gemm.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <new>

#include "base/error.h"
#include "base/thread_pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace assay::kernels {
namespace {

constexpr int64_t kMaxChunk = 320;  // a panel's chunk (20 KiB) stays in the first cache
constexpr int64_t kPanelBlock = 24;
constexpr int64_t kPackedRows = 64;

int64_t chunk_length(int64_t in_features) {
  const int64_t num_chunks = (in_features + kMaxChunk - 1) / kMaxChunk;
  return (in_features + num_chunks - 1) / num_chunks;
}

// One tile: y[r][c] = (or +=, -=) sum over k < depth of x[r][k] * panel[k][c], for `rows` rows and
// one panel.
struct Tile {
  const float* x;
  int64_t x_stride;
  const float* panel;
  int64_t depth;
  float* y;
  int64_t y_stride;
  Output output;
};

float result_of(float y, float s, Output output) {
  switch (output) {
    case Output::kWrite:
      return s;
    case Output::kAdd:
      return y + s;
    case Output::kSubtract:
      return y - s;
  }
  return s;
}

// The definition, and the only kernel of machines without AVX2.
void portable_tile(const Tile& t, int64_t rows, int64_t width) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < width; ++c) {
      float s = 0;
      for (int64_t k = 0; k < t.depth; ++k) {
        s = std::fma(t.x[r * t.x_stride + k], t.panel[k * width + c], s);
      }
      float& y = t.y[r * t.y_stride + c];
      y = result_of(y, s, t.output);
    }
  }
}

#if defined(__x86_64__)
// Rows is a constant so that the sums live in registers: 6 x 2 of 16 with AVX2, 12 x 2 of 32 with
// AVX-512.
template <int kRows>
__attribute__((target("avx2,fma"))) void avx2_tile(const Tile& t) {
  __m256 sum[kRows][2];
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_ps();
  const float* x = t.x;
  const float* panel = t.panel;
  for (int64_t k = 0; k < t.depth; ++k, ++x, panel += 16) {
    const __m256 w0 = _mm256_load_ps(panel), w1 = _mm256_load_ps(panel + 8);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const __m256 value = _mm256_broadcast_ss(x + r * t.x_stride);
      sum[r][0] = _mm256_fmadd_ps(value, w0, sum[r][0]);
      sum[r][1] = _mm256_fmadd_ps(value, w1, sum[r][1]);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
    float* y = t.y + r * t.y_stride;
    if (t.output == Output::kAdd) {
      sum[r][0] = _mm256_add_ps(_mm256_loadu_ps(y), sum[r][0]);
      sum[r][1] = _mm256_add_ps(_mm256_loadu_ps(y + 8), sum[r][1]);
    } else if (t.output == Output::kSubtract) {
      sum[r][0] = _mm256_sub_ps(_mm256_loadu_ps(y), sum[r][0]);
      sum[r][1] = _mm256_sub_ps(_mm256_loadu_ps(y + 8), sum[r][1]);
    }
    _mm256_storeu_ps(y, sum[r][0]);
    _mm256_storeu_ps(y + 8, sum[r][1]);
  }
}

template <int kRows>
__attribute__((target("avx512f"))) void avx512_tile(const Tile& t) {
  __m512 sum[kRows][2];
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = _mm512_setzero_ps();
  const float* x = t.x;
  const float* panel = t.panel;
  for (int64_t k = 0; k < t.depth; ++k, ++x, panel += 32) {
    const __m512 w0 = _mm512_load_ps(panel), w1 = _mm512_load_ps(panel + 16);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const __m512 value = _mm512_set1_ps(x[r * t.x_stride]);
      sum[r][0] = _mm512_fmadd_ps(value, w0, sum[r][0]);
      sum[r][1] = _mm512_fmadd_ps(value, w1, sum[r][1]);
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
    float* y = t.y + r * t.y_stride;
    if (t.output == Output::kAdd) {
      sum[r][0] = _mm512_add_ps(_mm512_loadu_ps(y), sum[r][0]);
      sum[r][1] = _mm512_add_ps(_mm512_loadu_ps(y + 16), sum[r][1]);
    } else if (t.output == Output::kSubtract) {
      sum[r][0] = _mm512_sub_ps(_mm512_loadu_ps(y), sum[r][0]);
      sum[r][1] = _mm512_sub_ps(_mm512_loadu_ps(y + 16), sum[r][1]);
    }
    _mm512_storeu_ps(y, sum[r][0]);
    _mm512_storeu_ps(y + 16, sum[r][1]);
  }
}

using TileKernel = void (*)(const Tile&);
constexpr TileKernel kAvx2Tiles[] = {avx2_tile<1>, avx2_tile<2>, avx2_tile<3>,
                                     avx2_tile<4>, avx2_tile<5>, avx2_tile<6>};
constexpr TileKernel kAvx512Tiles[] = {avx512_tile<1>,  avx512_tile<2>,  avx512_tile<3>,
                                       avx512_tile<4>,  avx512_tile<5>,  avx512_tile<6>,
                                       avx512_tile<7>,  avx512_tile<8>,  avx512_tile<9>,
                                       avx512_tile<10>, avx512_tile<11>, avx512_tile<12>};
#endif

constexpr int64_t kMaxPanelWidth = 32;
constexpr int64_t kMaxTileRows = 12;

int64_t tile_rows(Isa isa) { return isa == Isa::kAvx512 ? 12 : 6; }

void run_tile(const PackedWeight& weight, const Tile& t, int64_t rows) {
#if defined(__x86_64__)
  if (weight.isa == Isa::kAvx2) return kAvx2Tiles[rows - 1](t);
  if (weight.isa == Isa::kAvx512) return kAvx512Tiles[rows - 1](t);
#endif
  portable_tile(t, rows, weight.panel_width);
}

// The last panel may have fewer columns than its width: summed aside, then copied.
void run_narrow_tile(const PackedWeight& weight, const Tile& t, int64_t rows, int64_t width) {
  alignas(64) float aside[kMaxTileRows * kMaxPanelWidth];
  Tile whole = t;
  whole.y = aside;
  whole.y_stride = weight.panel_width;
  whole.output = Output::kWrite;
  run_tile(weight, whole, rows);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < width; ++c) {
      float& y = t.y[r * t.y_stride + c];
      y = result_of(y, aside[r * weight.panel_width + c], t.output);
    }
  }
}

PackedWeight empty_panels(int64_t out_features, int64_t in_features, Isa isa) {
  require(out_features > 0 && in_features > 0, "pack_weight: empty weight [", out_features, ", ",
          in_features, "]");
  if (!has_isa(isa))
    fail(ErrorKind::kInternal, "pack_weight: this processor has no ", isa_name(isa));
  PackedWeight packed{.in_features = in_features,
                      .out_features = out_features,
                      .panel_width = isa == Isa::kAvx512 ? 32 : 16,
                      .isa = isa,
                      .panels = {}};
  const auto bytes =
      static_cast<size_t>(packed.num_panels() * in_features * packed.panel_width) * sizeof(float);
  packed.panels.reset(static_cast<float*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64)),
                      std::free);
  if (!packed.panels) throw std::bad_alloc();
  return packed;
}

}  // namespace

PackedWeight pack_weight(const float* weight, int64_t out_features, int64_t in_features, Isa isa) {
  return pack_weight(weight, in_features, out_features, in_features, isa);
}

PackedWeight pack_weight(const float* weight, int64_t stride, int64_t out_features,
                         int64_t in_features, Isa isa) {
  PackedWeight packed = empty_panels(out_features, in_features, isa);
  const int64_t width = packed.panel_width;
  parallel_for(packed.num_panels(), [&](int64_t p) {
    float* panel = packed.panels.get() + p * in_features * width;
    // A few rows of the panel at a time: they stay in the first cache while its columns fill up.
    for (int64_t first = 0; first < in_features; first += kPackedRows) {
      const int64_t last = std::min(first + kPackedRows, in_features);
      for (int64_t c = 0; c < width; ++c) {
        const int64_t row = p * width + c;
        const float* source = weight + row * stride;
        for (int64_t k = first; k < last; ++k)
          panel[k * width + c] = row < out_features ? source[k] : 0.0f;
      }
    }
  });
  return packed;
}

PackedWeight pack_transposed(const float* weight, int64_t stride, int64_t out_features,
                             int64_t in_features, Isa isa) {
  PackedWeight packed = empty_panels(out_features, in_features, isa);
  const int64_t width = packed.panel_width;
  parallel_for(packed.num_panels(), [&](int64_t p) {
    float* panel = packed.panels.get() + p * in_features * width;
    const int64_t columns = std::min(width, out_features - p * width);
    for (int64_t k = 0; k < in_features; ++k) {
      std::copy_n(weight + k * stride + p * width, columns, panel + k * width);
      std::fill_n(panel + k * width + columns, width - columns, 0.0f);
    }
  });
  return packed;
}

namespace {

// multiply_panels where rows of x lie `x_stride` floats apart.
void multiply_strided(const PackedWeight& weight, const float* x, int64_t x_stride,
                      int64_t num_rows, int64_t first_panel, int64_t last_panel, float* y,
                      int64_t y_stride, Output output) {
  const int64_t depth = weight.in_features, chunk = chunk_length(depth), width = weight.panel_width;
  const int64_t step = tile_rows(weight.isa);
  for (int64_t k = 0; k < depth; k += chunk) {
    for (int64_t p = first_panel; p < last_panel; ++p) {
      const int64_t columns = std::min(width, weight.out_features - p * width);
      for (int64_t r = 0; r < num_rows; r += step) {
        const bool continues = k > 0 && output == Output::kWrite;
        const Tile tile{.x = x + r * x_stride + k,
                        .x_stride = x_stride,
                        .panel = weight.panels.get() + (p * depth + k) * width,
                        .depth = std::min(chunk, depth - k),
                        .y = y + r * y_stride + (p - first_panel) * width,
                        .y_stride = y_stride,
                        .output = continues ? Output::kAdd : output};
        const int64_t rows = std::min(step, num_rows - r);
        if (columns == width) {
          run_tile(weight, tile, rows);
        } else {
          run_narrow_tile(weight, tile, rows, columns);
        }
      }
    }
  }
}

}  // namespace

void multiply_panels(const PackedWeight& weight, const float* x, int64_t num_rows,
                     int64_t first_panel, int64_t last_panel, float* y, int64_t y_stride,
                     Output output) {
  multiply_strided(weight, x, weight.in_features, num_rows, first_panel, last_panel, y, y_stride,
                   output);
}

void multiply(const PackedWeight& weight, const float* x, int64_t x_stride, int64_t num_rows,
              float* y, int64_t y_stride, Output output) {
  const int64_t row_blocks = (num_rows + kRowBlock - 1) / kRowBlock;
  const int64_t panel_blocks = (weight.num_panels() + kPanelBlock - 1) / kPanelBlock;
  parallel_for(row_blocks * panel_blocks, [&](int64_t i) {
    const int64_t r = i / panel_blocks * kRowBlock, p = i % panel_blocks * kPanelBlock;
    multiply_strided(weight, x + r * x_stride, x_stride, std::min(kRowBlock, num_rows - r), p,
                     std::min(p + kPanelBlock, weight.num_panels()),
                     y + r * y_stride + p * weight.panel_width, y_stride, output);
  });
}

void multiply(const PackedWeight& weight, const float* x, int64_t num_rows, float* y,
              Output output) {
  multiply(weight, x, weight.in_features, num_rows, y, weight.out_features, output);
}

}  // namespace assay::kernels
