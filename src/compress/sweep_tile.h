#pragma once
// Some rows of one block of columns while obs_sweep is in it.

#include <cstdint>

#include "compress/obs_sweep.h"
#include "kernels/subtract_products.h"

namespace assay {

struct SweepBlock {
  int64_t first = 0, width = 0;
  const float* lower = nullptr;  // [width, width]: the transpose of U of the block
  const SweepRules* rules = nullptr;
  int64_t in_features = 0;
};

inline constexpr int64_t kTileRows = kernels::kLanes;

// Pointers to the first of the rows, each matrix row-major, contiguous but for `errors`.
struct SweepRows {
  int64_t num_rows = 0;                     // at most kTileRows
  float* weight = nullptr;                  // [rows, in]
  bool* keep = nullptr;                     // [rows, in]; null where nothing is pruned
  uint8_t* codes = nullptr;                 // [rows, in]; null where nothing is rounded
  float *scale = nullptr, *zero = nullptr;  // [rows, groups]
  int64_t num_groups = 0;
  float* errors = nullptr;  // [rows, width], rows errors_stride apart
  int64_t errors_stride = 0;
  double* squared_errors = nullptr;  // [rows], added to
};

// The block's columns of `weight` become what is stored, and with them keep (of a pattern), codes,
// grids that are fitted on the way, and the errors. Columns behind the block stay as they are.
void sweep_tile(const SweepBlock& block, const SweepRows& rows);

}  // namespace assay
