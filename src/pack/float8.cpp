#include "pack/float8.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/thread_pool.h"
#include "pack/small_float.h"

namespace assay {
namespace {

const StoredPart& weight_of(const StoredParts& parts) {
  return part_of(parts, "weight", {"F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ"});
}

std::vector<float> largest_of_blocks(LinearShape shape, std::span<const float> weight,
                                     BlockShape block) {
  const auto [rows, cols] = blocks_of(shape, block);
  std::vector<float> largest(static_cast<size_t>(rows * cols));
  for (int64_t o = 0; o < shape.out_features; ++o) {
    for (int64_t i = 0; i < shape.in_features; ++i) {
      float& most = largest[static_cast<size_t>(o / block.rows * cols + i / block.cols)];
      most = std::max(most, std::abs(weight[static_cast<size_t>(o * shape.in_features + i)]));
    }
  }
  return largest;
}

}  // namespace

LinearShape float8_shape(const Float8Layout& layout, const StoredParts& parts) {
  const auto shape = matrix_shape(weight_of(parts), "weight");
  scales_part(parts, layout.scale_name, {"F32", "BF16", "F16"}, shape, layout.block);
  return shape;
}

void float8_values(const Float8Layout& layout, const StoredParts& parts, std::span<float> values) {
  const LinearShape shape = float8_shape(layout, parts);
  const StoredPart& weight = weight_of(parts);
  require(values.size() == weight.bytes.size(), "float8_values: ", values.size(), " values for ",
          weight.bytes.size(), " codes");
  const ScaleGrid scales =
      read_scales(parts, layout.scale_name, {"F32", "BF16", "F16"}, shape, layout.block);
  std::array<float, 256> decoded{};
  const SmallFloat& format = small_float(weight.dtype->name);
  for (uint32_t bits = 0; bits < decoded.size(); ++bits) decoded.at(bits) = to_float(format, bits);
  parallel_for(shape.out_features, [&](int64_t o) {
    for (int64_t i = 0; i < shape.in_features; ++i) {
      const auto at = static_cast<size_t>(o * shape.in_features + i);
      values[at] = decoded[static_cast<uint8_t>(weight.bytes[at])] * scales.at(o, i);
    }
  });
}

OwnedParts float8_pack(const Float8Layout& layout, LinearShape shape, std::span<const float> weight,
                       std::string_view dtype, std::vector<int64_t> scale_shape) {
  const SmallFloat& format = small_float(dtype);
  const BlockShape block = without_all(shape, layout.block);
  ScaleGrid scales{largest_of_blocks(shape, weight, block), block,
                   blocks_of(shape, block).in_features};
  for (float& scale : scales.values) {
    scale = scale == 0 ? 1.0f : scale / largest(format);
    // Below it the division has no float32 to give.
    scale = std::max(scale, std::numeric_limits<float>::min());
  }
  std::vector<uint8_t> codes(weight.size());
  parallel_for(shape.out_features, [&](int64_t o) {
    for (int64_t i = 0; i < shape.in_features; ++i) {
      const auto at = static_cast<size_t>(o * shape.in_features + i);
      codes[at] = static_cast<uint8_t>(from_float(format, weight[at] / scales.at(o, i)));
    }
  });
  OwnedParts parts;
  parts.push_back(
      make_part<uint8_t>("weight", dtype, {shape.out_features, shape.in_features}, codes));
  parts.push_back(
      make_part<float>(layout.scale_name, "F32", std::move(scale_shape), scales.values));
  return parts;
}

}  // namespace assay
