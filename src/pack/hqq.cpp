#include "pack/hqq.h"

#include "base/error.h"

namespace assay {
namespace {

const std::initializer_list<std::string_view> kFloats{"F16", "BF16", "F32"};

// A setting that the file repeats beside the weight.
void check_setting(const StoredParts& parts, std::string_view name, int64_t expected) {
  const StoredPart* part = find_part(parts, name);
  if (part == nullptr) return;
  const auto values = integers_of(part_of(parts, name, {"I64", "I32", "U8"}));
  require_intact(values.size() == 1 && values[0] == expected, "'", name, "' is ",
                 values.empty() ? -1 : values[0], ", expected ", expected);
}

}  // namespace

LinearShape hqq_shape(const HqqLayout& layout, const StoredParts& parts) {
  const auto dims = integers_of(part_of(parts, "shape", {"I64", "I32"}, {2}));
  constexpr int64_t kMaxDim = int64_t{1} << 31;
  require_intact(dims[0] > 0 && dims[1] > 0 && dims[0] <= kMaxDim && dims[1] <= kMaxDim,
                 "'shape' holds [", dims[0], ", ", dims[1], "]");
  const int64_t width = group_width(dims[1], layout.group_size);
  require_intact(dims[1] % width == 0, "'shape': groups of ", width, " do not divide ", dims[1],
                 " inputs");
  const int64_t rows = dims[0] * (dims[1] / width), per_byte = 8 / layout.bits;
  require_intact(rows % per_byte == 0, "'shape': ", rows, " groups do not fill bytes of ",
                 per_byte);
  part_of(parts, "W_q", {"U8"}, {rows / per_byte, width});
  part_of(parts, "scale", kFloats, {rows, 1});
  part_of(parts, "zero", kFloats, {rows, 1});
  check_setting(parts, "axis", 1);
  check_setting(parts, "nbits", layout.bits);
  return {dims[0], dims[1]};
}

GridCodes hqq_unpack(const HqqLayout& layout, const StoredParts& parts) {
  const LinearShape shape = hqq_shape(layout, parts);
  GridCodes grid = GridCodes::sized(shape, layout.bits, layout.group_size);
  const auto& bytes = parts.find("W_q")->second.bytes;
  // Byte i holds code i of every part of the rows, the first part's in the highest bits.
  const int64_t per_byte = 8 / layout.bits, mask = (int64_t{1} << layout.bits) - 1;
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int64_t part = 0; part < per_byte; ++part) {
      const auto shift = (per_byte - 1 - part) * layout.bits;
      grid.codes[static_cast<size_t>(part) * bytes.size() + i] =
          static_cast<uint8_t>(static_cast<int64_t>(bytes[i]) >> shift & mask);
    }
  }
  grid.scales = floats_of(parts.find("scale")->second);
  grid.zeros = floats_of(parts.find("zero")->second);
  return grid;
}

}  // namespace assay
