#include "pack/grid_codes.h"

#include <algorithm>

#include "base/error.h"
#include "base/thread_pool.h"

namespace assay {

GridCodes GridCodes::sized(LinearShape shape, int64_t bits, int64_t group_size) {
  GridCodes grid;
  grid.out_features = shape.out_features;
  grid.in_features = shape.in_features;
  grid.num_groups = groups_of(shape.in_features, group_size);
  grid.bits = bits;
  grid.codes.resize(static_cast<size_t>(shape.out_features * shape.in_features));
  grid.scales.resize(static_cast<size_t>(shape.out_features * grid.num_groups));
  grid.zeros.resize(grid.scales.size());
  const int64_t width = group_width(shape.in_features, group_size);
  for (int64_t i = 0; i < shape.in_features; ++i) {
    grid.group_of_column.push_back(static_cast<int32_t>(i / width));
  }
  return grid;
}

bool GridCodes::has_consecutive_groups(int64_t group_size) const {
  const int64_t width = group_width(in_features, group_size);
  for (int64_t i = 0; i < in_features; ++i) {
    if (group_of_column[static_cast<size_t>(i)] != i / width) return false;
  }
  return true;
}

int64_t group_width(int64_t in_features, int64_t group_size) {
  return group_size == -1 ? in_features : std::min(group_size, in_features);
}

int64_t groups_of(int64_t in_features, int64_t group_size) {
  const int64_t width = group_width(in_features, group_size);
  return (in_features + width - 1) / width;
}

void grid_values(const GridCodes& grid, std::span<float> values) {
  require(values.size() == grid.codes.size(), "grid_values: ", values.size(), " values for ",
          grid.codes.size(), " codes");
  parallel_for(grid.out_features, [&](int64_t row) {
    const uint8_t* codes = grid.codes.data() + row * grid.in_features;
    const float *scales = grid.scales.data() + row * grid.num_groups,
                *zeros = grid.zeros.data() + row * grid.num_groups;
    float* out = values.data() + row * grid.in_features;
    for (int64_t i = 0; i < grid.in_features; ++i) {
      const int32_t group = grid.group_of_column[static_cast<size_t>(i)];
      out[i] = scales[group] * (static_cast<float>(codes[i]) - zeros[group]);
    }
  });
}

void check_grid_codes(const GridCodes& grid) {
  const auto elements = static_cast<size_t>(grid.out_features * grid.in_features);
  const auto cells = static_cast<size_t>(grid.out_features * grid.num_groups);
  const auto is_group = [&](int32_t group) { return group >= 0 && group < grid.num_groups; };
  const auto is_code = [&](uint8_t code) { return code < (1 << grid.bits); };
  const bool fits = grid.bits >= 1 && grid.bits <= 8 && grid.codes.size() == elements &&
                    grid.scales.size() == cells && grid.zeros.size() == cells &&
                    grid.group_of_column.size() == static_cast<size_t>(grid.in_features) &&
                    std::ranges::all_of(grid.group_of_column, is_group) &&
                    std::ranges::all_of(grid.codes, is_code);
  if (!fits) fail(ErrorKind::kInternal, "codes whose grid does not fit them");
}

}  // namespace assay
