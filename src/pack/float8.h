#pragma once
// Weights in 8-bit floats, blocks of which share a float32 scale: value = weight * scale.
//   weight F8_E4M3 (F8_E5M2, and the FNUZ kinds) [out, in]
//   weight_scale_inv (fine-grained FP8; in spite of its name it multiplies) or weight_scale: one
//   for the tensor, a row, a group or a tile (pack/scale_grid.h)

#include <span>
#include <string>

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

// Rounds a weight: scale = largest |w| of the block / largest value of the format (1 for a block of
// zeros), codes nearest to w / scale. `scale_shape` is how the scales are stored ([] for one).
OwnedParts float8_pack(const Float8Layout& layout, LinearShape shape, std::span<const float> weight,
                       std::string_view dtype, std::vector<int64_t> scale_shape);

}  // namespace assay
