#include "pack/float8.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

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

// Where the next block of either size begins.
int64_t next_edge(int64_t at, int64_t a, int64_t b) {
  return std::min((at / a + 1) * a, (at / b + 1) * b);
}

}  // namespace

LinearShape float8_shape(const Float8Layout& layout, const StoredParts& parts) {
  const auto shape = matrix_shape(weight_of(parts), "weight");
  scales_part(parts, layout.scale_name, {"F32", "BF16", "F16"}, shape, layout.block);
  return shape;
}

Float8Codes float8_unpack(const Float8Layout& layout, const StoredParts& parts) {
  Float8Codes packed;
  packed.shape = float8_shape(layout, parts);
  const StoredPart& weight = weight_of(parts);
  packed.dtype = weight.dtype->name;
  packed.codes.resize(weight.bytes.size());
  std::memcpy(packed.codes.data(), weight.bytes.data(), weight.bytes.size());
  packed.scales =
      read_scales(parts, layout.scale_name, {"F32", "BF16", "F16"}, packed.shape, layout.block);
  return packed;
}

void float8_values(const Float8Layout& layout, const StoredParts& parts, std::span<float> values) {
  const Float8Codes packed = float8_unpack(layout, parts);
  require(values.size() == packed.codes.size(), "float8_values: ", values.size(), " values for ",
          packed.codes.size(), " codes");
  std::array<float, 256> decoded{};
  const SmallFloat& format = small_float(packed.dtype);
  for (uint32_t bits = 0; bits < decoded.size(); ++bits) decoded.at(bits) = to_float(format, bits);
  parallel_for(packed.shape.out_features, [&](int64_t o) {
    for (int64_t i = 0; i < packed.shape.in_features; ++i) {
      const auto at = static_cast<size_t>(o * packed.shape.in_features + i);
      values[at] = decoded[packed.codes[at]] * packed.scales.at(o, i);
    }
  });
}

std::optional<ScaleGrid> with_blocks(const ScaleGrid& scales, LinearShape shape, BlockShape block) {
  const BlockShape size = without_all(shape, block);
  const auto [rows, cols] = blocks_of(shape, size);
  const float kNone = std::numeric_limits<float>::quiet_NaN();
  ScaleGrid result{std::vector<float>(static_cast<size_t>(rows * cols), kNone), size, cols};
  // One look for each piece that an old and a new block have in common.
  for (int64_t o = 0; o < shape.out_features; o = next_edge(o, size.rows, scales.block.rows)) {
    for (int64_t i = 0; i < shape.in_features; i = next_edge(i, size.cols, scales.block.cols)) {
      float& scale = result.values[static_cast<size_t>(o / size.rows * cols + i / size.cols)];
      if (std::isnan(scale)) scale = scales.at(o, i);
      if (scale != scales.at(o, i)) return std::nullopt;
    }
  }
  return result;
}

OwnedParts float8_parts(std::string_view scale_name, const Float8Codes& packed,
                        std::vector<int64_t> scale_shape) {
  OwnedParts parts;
  parts.push_back(make_part<uint8_t>(
      "weight", packed.dtype, {packed.shape.out_features, packed.shape.in_features}, packed.codes));
  parts.push_back(make_part<float>(std::string(scale_name), "F32", std::move(scale_shape),
                                   packed.scales.values));
  return parts;
}

Float8Codes float8_rounded(LinearShape shape, std::span<const float> weight, BlockShape block,
                           std::string_view dtype) {
  const SmallFloat& format = small_float(dtype);
  const BlockShape size = without_all(shape, block);
  Float8Codes packed{
      shape,
      std::string(dtype),
      std::vector<uint8_t>(weight.size()),
      {largest_of_blocks(shape, weight, size), size, blocks_of(shape, size).in_features}};
  for (float& scale : packed.scales.values) {
    scale = scale == 0 ? 1.0f : scale / largest(format);
    // Below it the division has no float32 to give.
    scale = std::max(scale, std::numeric_limits<float>::min());
  }
  parallel_for(shape.out_features, [&](int64_t o) {
    for (int64_t i = 0; i < shape.in_features; ++i) {
      const auto at = static_cast<size_t>(o * shape.in_features + i);
      packed.codes[at] =
          static_cast<uint8_t>(from_float(format, weight[at] / packed.scales.at(o, i)));
    }
  });
  return packed;
}

}  // namespace assay
