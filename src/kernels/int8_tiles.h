#pragma once
// The inner loops of kernels/int8_mixed.h, for each instruction set; all give the same bits.

#include <cstdint>

#include "kernels/isa.h"

namespace assay::kernels::int8 {

// kAvx512 where the processor has VNNI, else the next lower set.
Isa usable_isa(Isa isa);

int64_t panel_width(Isa isa);  // output features of a panel: 32 with AVX-512, else 16
int64_t tile_rows(Isa isa);    // rows that a tile holds at most
int code_offset(Isa isa);      // what is added to stored codes of activations: 128 or 0
inline constexpr int64_t kMaxPanelWidth = 32;
inline constexpr int64_t kMaxTileRows = 12;

struct RowRange {
  float largest = 0;         // of the magnitudes below the limit
  bool has_outlier = false;  // some magnitude is not below it, or NaN
};
RowRange row_range(Isa isa, const float* x, int64_t n, float limit);

// codes[j] = round(x[j] * factor) + code_offset, half to even; code_offset where |x[j]| is not
// below the limit.
void encode_row(Isa isa, const float* x, int64_t n, float limit, float factor, uint8_t* codes);

// sums[r][c] = start[c] + sum over k < 4 quads of codes[r][k] * panel[k / 4][c][k % 4]. With
// AVX-512, codes are those of encode_row, offset included: `start` has to make up for it.
struct SumTile {
  const uint8_t* codes;
  int64_t stride;  // bytes a row
  const int8_t* panel;
  int64_t quads;
  const int32_t* start;
  int32_t* sums;  // [rows][panel width]
};
void sum_tile(Isa isa, const SumTile& tile, int64_t rows);

// out[r][c] = chain of fma, from 0, of x[r][j] by panel code * scale[c] over the columns j.
struct OutlierTile {
  const int8_t* panel;
  const float* scale;
  const int32_t* columns;  // ascending
  int64_t count;
  const float* x;
  int64_t x_stride;
  float* out;  // [rows][panel width]
};
void sum_outliers(Isa isa, const OutlierTile& tile, int64_t rows);

// One row of a tile: v = fma(sum, row_scale * scale, outliers) -> y.
struct FinishedRow {
  const int32_t* sums;
  const float* outliers;
  float row_scale;
  const float* scale;
  float* y;
  bool overwrite;  // else y is added to
};
void finish_row(Isa isa, const FinishedRow& row, int64_t columns);

}  // namespace assay::kernels::int8
