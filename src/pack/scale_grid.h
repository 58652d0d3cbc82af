#pragma once
// Scales (or zero points) that blocks of a weight [out, in] share.

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "pack/parts.h"

namespace assay {

// Outputs and inputs of a block; -1 = all of them. {-1, -1}: one scale for the tensor, {1, -1}: one
// a row, {1, g}: groups, {128, 128}: tiles. Blocks at the edges may be smaller.
struct BlockShape {
  int64_t rows = 1, cols = -1;
  bool operator==(const BlockShape&) const = default;
};

struct ScaleGrid {
  std::vector<float> values;  // row-major over the blocks
  BlockShape block;           // no -1
  int64_t blocks_per_row = 0;

  float at(int64_t out, int64_t in) const {
    return values[static_cast<size_t>(out / block.rows * blocks_per_row + in / block.cols)];
  }
};

// How many blocks there are of each kind: [rows of blocks, blocks a row].
LinearShape blocks_of(LinearShape shape, BlockShape block);
BlockShape without_all(LinearShape shape, BlockShape block);  // -1 replaced

// Checks the part's shape: that of blocks_of, or [] and [1] for one value, or [out] for one a row.
// Error(kCorruptFile) names the part and both shapes.
const StoredPart& scales_part(const StoredParts& parts, std::string_view name,
                              std::initializer_list<std::string_view> dtypes, LinearShape shape,
                              BlockShape block);
ScaleGrid read_scales(const StoredParts& parts, std::string_view name,
                      std::initializer_list<std::string_view> dtypes, LinearShape shape,
                      BlockShape block);

}  // namespace assay
