#include "pack/scale_grid.h"

#include <algorithm>

#include "base/error.h"

namespace assay {

BlockShape without_all(LinearShape shape, BlockShape block) {
  return {block.rows == -1 ? shape.out_features : block.rows,
          block.cols == -1 ? shape.in_features : block.cols};
}

LinearShape blocks_of(LinearShape shape, BlockShape block) {
  const BlockShape size = without_all(shape, block);
  return {(shape.out_features + size.rows - 1) / size.rows,
          (shape.in_features + size.cols - 1) / size.cols};
}

const StoredPart& scales_part(const StoredParts& parts, std::string_view name,
                              std::initializer_list<std::string_view> dtypes, LinearShape shape,
                              BlockShape block) {
  const StoredPart& part = part_of(parts, name, dtypes);
  const auto [rows, cols] = blocks_of(shape, block);
  const bool is_one =
      rows * cols == 1 && std::ranges::all_of(part.shape, [](int64_t dim) { return dim == 1; });
  const bool is_column = cols == 1 && part.shape == std::vector<int64_t>{rows};
  require_intact(is_one || is_column || part.shape == std::vector<int64_t>{rows, cols}, "'", name,
                 "' has shape ", shape_text(part.shape), ", expected [", rows, ", ", cols, "]");
  return part;
}

ScaleGrid read_scales(const StoredParts& parts, std::string_view name,
                      std::initializer_list<std::string_view> dtypes, LinearShape shape,
                      BlockShape block) {
  const StoredPart& part = scales_part(parts, name, dtypes, shape, block);
  return {floats_of(part), without_all(shape, block), blocks_of(shape, block).in_features};
}

}  // namespace assay
