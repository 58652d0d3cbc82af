#include "pack/float4.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/thread_pool.h"
#include "pack/scale_grid.h"
#include "pack/small_float.h"

namespace assay {
namespace {

constexpr float kLargestCode = 6, kLargestScale = 448;

int64_t group_size_of(Float4Kind kind) { return kind == Float4Kind::kMxfp4 ? 32 : 16; }

std::string_view codes_name(Float4Kind kind) {
  return kind == Float4Kind::kNvfp4ModelOpt ? "weight" : "weight_packed";
}

// One scale a group, the tensor's scale taken in.
std::vector<float> group_scales(Float4Kind kind, const StoredParts& parts) {
  const StoredPart& part = parts.find("weight_scale")->second;
  std::vector<float> scales;
  if (kind == Float4Kind::kMxfp4) {
    for (const auto byte : part.bytes) {
      scales.push_back(e8m0_to_float(static_cast<uint8_t>(byte)));
    }
    return scales;
  }
  scales = floats_of(part);
  const bool divides = kind == Float4Kind::kNvfp4;
  const float of_tensor =
      floats_of(parts.find(divides ? "weight_global_scale" : "weight_scale_2")->second).at(0);
  for (float& scale : scales) scale = divides ? scale / of_tensor : scale * of_tensor;
  return scales;
}

float largest_in(std::span<const float> values) {
  float largest = 0;
  for (const float x : values) largest = std::max(largest, std::abs(x));
  return largest;
}

struct Scales {
  std::vector<uint8_t> bits;  // as stored
  std::vector<float> values;
  float global = 1;
};

Scales fit_scales(Float4Kind kind, int64_t group_size, std::span<const float> weight) {
  Scales scales;
  const float largest = largest_in(weight);
  if (kind == Float4Kind::kNvfp4 && largest > 0) {
    scales.global = kLargestScale * kLargestCode / largest;
  }
  const auto width = static_cast<size_t>(group_size);
  for (size_t first = 0; first < weight.size(); first += width) {
    const float most = largest_in(weight.subspan(first, width));
    if (kind == Float4Kind::kMxfp4) {
      const int exponent = most == 0 ? -127 : std::max(std::ilogb(most) - 2, -127);
      scales.bits.push_back(static_cast<uint8_t>(exponent + 127));
      scales.values.push_back(e8m0_to_float(scales.bits.back()));
    } else {
      const SmallFloat& format = small_float("F8_E4M3");
      const uint32_t bits = from_float(format, scales.global * most / kLargestCode);
      scales.bits.push_back(static_cast<uint8_t>(bits));
      scales.values.push_back(to_float(format, bits) / scales.global);
    }
  }
  return scales;
}

}  // namespace

std::string_view name_of(Float4Kind kind) { return kind == Float4Kind::kMxfp4 ? "MXFP4" : "NVFP4"; }

LinearShape float4_shape(Float4Kind kind, const StoredParts& parts) {
  const auto name = codes_name(kind);
  const auto bytes = matrix_shape(part_of(parts, name, {"U8"}), name);
  const LinearShape shape{bytes.out_features, 2 * bytes.in_features};
  const int64_t group_size = group_size_of(kind);
  require_intact(shape.in_features % group_size == 0, "'", name, "': groups of ", group_size,
                 " do not divide ", shape.in_features, " inputs");
  const BlockShape block{1, group_size};
  if (kind == Float4Kind::kMxfp4) {
    scales_part(parts, "weight_scale", {"U8", "F8_E8M0"}, shape, block);
    return shape;
  }
  scales_part(parts, "weight_scale", {"F8_E4M3"}, shape, block);
  scales_part(parts, kind == Float4Kind::kNvfp4 ? "weight_global_scale" : "weight_scale_2", {"F32"},
              shape, {-1, -1});
  return shape;
}

void float4_values(Float4Kind kind, const StoredParts& parts, std::span<float> values) {
  const LinearShape shape = float4_shape(kind, parts);
  const auto& bytes = find_part(parts, codes_name(kind))->bytes;
  require(values.size() == 2 * bytes.size(), "float4_values: ", values.size(), " values for ",
          2 * bytes.size(), " codes");
  const auto scales = group_scales(kind, parts);
  const int64_t group_size = group_size_of(kind), groups = shape.in_features / group_size;
  std::array<float, 16> decoded{};
  for (uint32_t code = 0; code < 16; ++code) decoded.at(code) = to_float(small_float("F4"), code);
  parallel_for(shape.out_features, [&](int64_t o) {
    for (int64_t i = 0; i < shape.in_features; ++i) {
      const auto at = static_cast<size_t>(o * shape.in_features + i);
      const auto byte = static_cast<uint8_t>(bytes[at / 2]);
      values[at] = decoded[at % 2 == 0 ? byte & 15 : byte >> 4] *
                   scales[static_cast<size_t>(o * groups + i / group_size)];
    }
  });
}

OwnedParts float4_pack(Float4Kind kind, LinearShape shape, std::span<const float> weight) {
  const int64_t group_size = group_size_of(kind), groups = shape.in_features / group_size;
  require(kind != Float4Kind::kNvfp4ModelOpt, "ModelOpt's NVFP4 is read, not written");
  require(shape.in_features % group_size == 0, name_of(kind), " cannot hold rows of ",
          shape.in_features, ": groups are of ", group_size);
  const Scales scales = fit_scales(kind, group_size, weight);
  std::vector<uint8_t> codes(weight.size() / 2);
  for (size_t at = 0; at < weight.size(); ++at) {
    const float scale = scales.values[at / static_cast<size_t>(group_size)];
    const auto code = scale == 0 ? 0 : from_float(small_float("F4"), weight[at] / scale);
    codes[at / 2] = static_cast<uint8_t>(codes[at / 2] | code << (at % 2 == 0 ? 0 : 4));
  }
  OwnedParts parts;
  parts.push_back(make_part<uint8_t>("weight_packed", "U8",
                                     {shape.out_features, shape.in_features / 2}, codes));
  const std::vector<int64_t> scale_shape{shape.out_features, groups};
  if (kind == Float4Kind::kMxfp4) {
    parts.push_back(make_part<uint8_t>("weight_scale", "U8", scale_shape, scales.bits));
  } else {
    parts.push_back(make_part<uint8_t>("weight_scale", "F8_E4M3", scale_shape, scales.bits));
    parts.push_back(make_part<float>("weight_global_scale", "F32", {1}, {&scales.global, 1}));
  }
  return parts;
}

}  // namespace assay
