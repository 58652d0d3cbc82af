#pragma once
// Weights in 8-bit floats, blocks of which share a float32 scale: value = weight * scale.
//   weight F8_E4M3 (F8_E5M2, and the FNUZ kinds) [out, in]
//   weight_scale_inv (fine-grained FP8; in spite of its name it multiplies) or weight_scale: one
//   for the tensor, a row, a group or a tile (pack/scale_grid.h)

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pack/parts.h"
#include "pack/scale_grid.h"

namespace assay {

struct Float8Layout {
  std::string scale_name = "weight_scale";
  BlockShape block = {1, -1};
};

// Error(kCorruptFile) names the part and both shapes.
LinearShape float8_shape(const Float8Layout& layout, const StoredParts& parts);
void float8_values(const Float8Layout& layout, const StoredParts& parts, std::span<float> values);

// As a file has it.
struct Float8Codes {
  LinearShape shape;
  std::string dtype;           // "F8_E4M3"
  std::vector<uint8_t> codes;  // [out_features, in_features]
  ScaleGrid scales;
};
Float8Codes float8_unpack(const Float8Layout& layout, const StoredParts& parts);

// The scales for other blocks, in each of which all old scales must be the same; nothing where they
// are not.
std::optional<ScaleGrid> with_blocks(const ScaleGrid& scales, LinearShape shape, BlockShape block);

// Stores codes as they are. `scale_shape` is how the scales are stored ([] for one).
OwnedParts float8_parts(std::string_view scale_name, const Float8Codes& packed,
                        std::vector<int64_t> scale_shape);

// Rounds a weight: scale = largest |w| of the block / largest value of the format (1 for a block of
// zeros), codes nearest to w / scale.
Float8Codes float8_rounded(LinearShape shape, std::span<const float> weight, BlockShape block,
                           std::string_view dtype);

}  // namespace assay
