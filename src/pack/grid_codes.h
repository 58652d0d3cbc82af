#pragma once
// A linear on uniform grids: what the integer formats hold, in the order of a dense weight.
//   value[o][i] = scale[o][g] * (code[o][i] - zero[o][g]),  g = group_of_column[i]

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "pack/parts.h"

namespace assay {

struct GridCodes {
  int64_t out_features = 0, in_features = 0, num_groups = 0;
  int64_t bits = 0;            // of a code, in [1, 8]
  std::vector<uint8_t> codes;  // [out_features, in_features], below 2^bits
  std::vector<float> scales;   // [out_features, num_groups]
  std::vector<float> zeros;    // [out_features, num_groups]; whole unless a format says so
  std::vector<int32_t> group_of_column;  // [in_features], in [0, num_groups)

  // Of this size, all zero; columns in groups of group_size, the last may be narrower; -1 = one.
  static GridCodes sized(LinearShape shape, int64_t bits, int64_t group_size);

  // Columns stand in their groups one after another, group_size each (the last may be narrower).
  bool has_consecutive_groups(int64_t group_size) const;
};

// Columns of a group: group_size, or all for -1.
int64_t group_width(int64_t in_features, int64_t group_size);
int64_t groups_of(int64_t in_features, int64_t group_size);

// Float32 values, row-major; one product and one difference each.
void grid_values(const GridCodes& grid, std::span<float> values);

// Error(kInternal) unless sizes belong together and codes and groups are in range: for writers.
void check_grid_codes(const GridCodes& grid);

}  // namespace assay
