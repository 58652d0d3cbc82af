#include "kernels/gemm.h"

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <new>
#include <span>

#include "base/error.h"
#include "base/thread_pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace assay::kernels {
namespace {

constexpr int64_t kMaxChunk = 320;  // a panel's chunk (20 KiB) stays in the first cache
// Of a task: its chunk of x and its part of y stay in the second cache.
constexpr int64_t kMaxRows = 2 * kRowBlock, kMaxPanels = 24;
constexpr int64_t kPackedRows = 64;
constexpr int64_t kLine = 16;  // floats of a cache line
constexpr int64_t kHugePage = int64_t{1} << 21;

int64_t divided_up(int64_t count, int64_t by) { return (count + by - 1) / by; }

int64_t chunk_length(int64_t in_features) {
  return divided_up(in_features, divided_up(in_features, kMaxChunk));
}

// One tile: y[r][c] = (or +=, -=) sum over k < depth of x[r][k] * panel[k][c], for `rows` rows and
// one panel. `ahead` is read soon, a cache line for each k: panels come from far away, and the
// processor's own look ahead ends with a page.
struct Tile {
  const float* x;
  int64_t x_stride;
  const float* panel;
  int64_t depth;
  float* y;
  int64_t y_stride;
  Output output;
  const float* ahead;
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
  const float* ahead = t.ahead;
  for (int64_t k = 0; k < t.depth; ++k, ++x, panel += 16, ahead += kLine) {
    _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T1);
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
  const float* ahead = t.ahead;
  for (int64_t k = 0; k < t.depth; ++k, ++x, panel += 32, ahead += kLine) {
    _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T1);
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

void ask_for_huge_pages(std::span<float> memory) {
#ifdef MADV_HUGEPAGE
  ::madvise(memory.data(), memory.size_bytes(), MADV_HUGEPAGE);  // refused: small ones
#endif
}

// Gives `packed` the shape, and memory where it has not enough or shares it.
void reshape(PackedWeight& packed, int64_t out_features, int64_t in_features, Isa isa) {
  require(out_features > 0 && in_features > 0, "pack_weight: empty weight [", out_features, ", ",
          in_features, "]");
  if (!has_isa(isa))
    fail(ErrorKind::kInternal, "pack_weight: this processor has no ", isa_name(isa));
  packed.in_features = in_features;
  packed.out_features = out_features;
  packed.panel_width = isa == Isa::kAvx512 ? 32 : 16;
  packed.isa = isa;
  const int64_t floats = packed.num_panels() * in_features * packed.panel_width;
  if (packed.panels.use_count() == 1 && packed.capacity >= floats) return;
  packed.panels.reset();  // before the new memory is taken
  const auto bytes = static_cast<int64_t>(sizeof(float)) * floats;
  const int64_t alignment = bytes < kHugePage ? 64 : kHugePage;
  const auto size = static_cast<size_t>(divided_up(bytes, alignment) * alignment);
  packed.panels.reset(static_cast<float*>(std::aligned_alloc(static_cast<size_t>(alignment), size)),
                      std::free);
  if (!packed.panels) throw std::bad_alloc();
  packed.capacity = floats;
  if (alignment == kHugePage) ask_for_huge_pages({packed.panels.get(), size / sizeof(float)});
}

}  // namespace

PackedWeight pack_weight(const float* weight, int64_t out_features, int64_t in_features, Isa isa) {
  return pack_weight(weight, in_features, out_features, in_features, isa);
}

PackedWeight pack_weight(const float* weight, int64_t stride, int64_t out_features,
                         int64_t in_features, Isa isa) {
  PackedWeight packed;
  reshape(packed, out_features, in_features, isa);
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
  PackedWeight packed;
  repack_transposed(packed, weight, stride, out_features, in_features, isa);
  return packed;
}

void repack_transposed(PackedWeight& packed, const float* weight, int64_t stride,
                       int64_t out_features, int64_t in_features, Isa isa) {
  reshape(packed, out_features, in_features, isa);
  const int64_t width = packed.panel_width, num_panels = packed.num_panels();
  constexpr int64_t kTogether = 8;  // panels: a row of `weight` is read in longer pieces
  parallel_for(divided_up(num_panels, kTogether), [&](int64_t group) {
    const int64_t first = group * kTogether, last = std::min(first + kTogether, num_panels);
    for (int64_t k = 0; k < in_features; ++k) {
      for (int64_t p = first; p < last; ++p) {
        float* row = packed.panels.get() + (p * in_features + k) * width;
        const int64_t columns = std::min(width, out_features - p * width);
        std::copy_n(weight + k * stride + p * width, columns, row);
        std::fill_n(row + columns, width - columns, 0.0f);
      }
    }
  });
}

namespace {

// x [num_rows, in_features]: element (r, k) lies at values[r * row_stride + k * column_stride].
struct Rows {
  const float* values;
  int64_t row_stride;
  int64_t column_stride;

  const float* at(int64_t row, int64_t column) const {
    return values + row * row_stride + column * column_stride;
  }
  // Whether tiles read it where it is. Rows many powers of two apart share sets of the first cache.
  bool is_read_in_place() const { return column_stride == 1 && row_stride % 512 != 0; }
};

// A chunk of a block of rows, copied so that its rows lie well for tiles.
struct RowsAside {
  static constexpr int64_t kStride = kMaxChunk + kLine;  // an odd number of cache lines

  Rows copied(const Rows& x, int64_t num_rows, int64_t depth) {
    if (x.column_stride == 1) {
      for (int64_t r = 0; r < num_rows; ++r) std::copy_n(x.at(r, 0), depth, values + r * kStride);
    } else {
      turn(x, num_rows, depth);
    }
    return {values, kStride, 1};
  }

  // In squares of a cache line's side: each line is read once, and few are written at a time.
  void turn(const Rows& x, int64_t num_rows, int64_t depth) {
    for (int64_t k = 0; k < depth; k += kLine) {
      const int64_t last = std::min(k + kLine, depth);
      for (int64_t row = 0; row < num_rows; row += kLine) {
        const int64_t end = std::min(row + kLine, num_rows);
        for (int64_t c = k; c < last; ++c)
          for (int64_t r = row; r < end; ++r) values[r * kStride + c] = *x.at(r, c);
      }
    }
  }

  alignas(64) float values[kMaxRows * kStride];
};

// multiply_panels for at most kMaxRows rows.
void multiply_row_block(const PackedWeight& weight, const Rows& x, int64_t num_rows,
                        int64_t first_panel, int64_t last_panel, float* y, int64_t y_stride,
                        Output output) {
  const int64_t depth = weight.in_features, chunk = chunk_length(depth), width = weight.panel_width;
  const int64_t step = tile_rows(weight.isa);
  const auto panel_at = [&](int64_t p, int64_t k) {
    return weight.panels.get() + (p * depth + k) * width;
  };
  RowsAside aside;  // NOLINT(cppcoreguidelines-pro-type-member-init): a chunk fills what it reads
  for (int64_t k = 0; k < depth; k += chunk) {
    const int64_t chunk_depth = std::min(chunk, depth - k);
    const Rows part{x.at(0, k), x.row_stride, x.column_stride};
    const Rows rows = part.is_read_in_place() ? part : aside.copied(part, num_rows, chunk_depth);
    const bool continues = k > 0 && output == Output::kWrite;
    for (int64_t p = first_panel; p < last_panel; ++p) {
      const int64_t columns = std::min(width, weight.out_features - p * width);
      const float* panel = panel_at(p, k);
      const float* next = panel_at(std::min(p + 1, last_panel - 1), k);
      for (int64_t r = 0; r < num_rows; r += step) {
        // The first tiles of a panel bring up the next one, the others nothing new.
        const int64_t brought_up = r / step * chunk_depth * kLine;
        const bool is_left = brought_up < chunk_depth * width;
        const Tile tile{.x = rows.at(r, 0),
                        .x_stride = rows.row_stride,
                        .panel = panel,
                        .depth = chunk_depth,
                        .y = y + r * y_stride + (p - first_panel) * width,
                        .y_stride = y_stride,
                        .output = continues ? Output::kAdd : output,
                        .ahead = is_left ? next + brought_up : panel};
        const int64_t count = std::min(step, num_rows - r);
        if (columns == width) {
          run_tile(weight, tile, count);
        } else {
          run_narrow_tile(weight, tile, count, columns);
        }
      }
    }
  }
}

void multiply_rows(const PackedWeight& weight, const Rows& x, int64_t num_rows, int64_t first_panel,
                   int64_t last_panel, float* y, int64_t y_stride, Output output) {
  for (int64_t r = 0; r < num_rows; r += kMaxRows) {
    multiply_row_block(weight, {x.at(r, 0), x.row_stride, x.column_stride},
                       std::min(kMaxRows, num_rows - r), first_panel, last_panel, y + r * y_stride,
                       y_stride, output);
  }
}

// The length of equal parts of at most `limit`, all but the last a multiple of `step`.
int64_t part_length(int64_t count, int64_t limit, int64_t step) {
  return divided_up(divided_up(count, divided_up(count, limit)), step) * step;
}

}  // namespace

void multiply_panels(const PackedWeight& weight, const float* x, int64_t num_rows,
                     int64_t first_panel, int64_t last_panel, float* y, int64_t y_stride,
                     Output output) {
  multiply_rows(weight, {x, weight.in_features, 1}, num_rows, first_panel, last_panel, y, y_stride,
                output);
}

void multiply_panels_transposed(const PackedWeight& weight, const float* x, int64_t x_stride,
                                int64_t num_rows, int64_t first_panel, int64_t last_panel, float* y,
                                int64_t y_stride, Output output) {
  multiply_rows(weight, {x, 1, x_stride}, num_rows, first_panel, last_panel, y, y_stride, output);
}

void multiply(const PackedWeight& weight, const float* x, int64_t x_stride, int64_t num_rows,
              float* y, int64_t y_stride, Output output) {
  if (num_rows == 0) return;
  const int64_t num_panels = weight.num_panels();
  const int64_t rows = part_length(num_rows, kMaxRows, tile_rows(weight.isa));
  const int64_t panels = part_length(num_panels, kMaxPanels, 1);
  const int64_t panel_blocks = divided_up(num_panels, panels);
  parallel_for(divided_up(num_rows, rows) * panel_blocks, [&](int64_t i) {
    const int64_t r = i / panel_blocks * rows, p = i % panel_blocks * panels;
    multiply_row_block(weight, {x + r * x_stride, x_stride, 1}, std::min(rows, num_rows - r), p,
                       std::min(p + panels, num_panels), y + r * y_stride + p * weight.panel_width,
                       y_stride, output);
  });
}

void multiply(const PackedWeight& weight, const float* x, int64_t num_rows, float* y,
              Output output) {
  multiply(weight, x, weight.in_features, num_rows, y, weight.out_features, output);
}

}  // namespace assay::kernels
