#include "pack/linear_codes.h"

#include <algorithm>

#include "base/error.h"

namespace assay {
namespace {

struct Packer {
  const LinearCodes& codes;
  LinearShape shape;
  std::span<const float> weight;
  std::string_view dtype;

  template <class Codes>
  const Codes& as() const {
    const auto* found = std::get_if<Codes>(&codes);
    if (found == nullptr) fail(ErrorKind::kInternal, "pack_linear: codes of another kind");
    return *found;
  }

  OwnedParts operator()(const GptqLayout& layout) const {
    return gptq_pack(layout, as<GridCodes>());
  }
  OwnedParts operator()(const AwqLayout& layout) const { return awq_pack(layout, as<GridCodes>()); }

  OwnedParts operator()(const BitsAndBytesLayout& layout) const {
    if (layout.is_four_bit) return four_bit_pack(as<FourBitCodes>());
    return int8_pack(as<RowCodes>());
  }

  OwnedParts operator()(const Float8Layout& layout) const {
    const auto blocks = blocks_of(shape, layout.block);
    std::vector<int64_t> scale_shape;  // of one for the tensor: a number
    if (layout.block != BlockShape{-1, -1}) {
      scale_shape = {blocks.out_features, blocks.in_features};
    }
    return float8_parts(layout.scale_name, float8_codes(layout.block), std::move(scale_shape));
  }

  OwnedParts operator()(const CompressedTensorsLayout& layout) const {
    OwnedParts parts = dense_parts(layout);
    if (layout.sparsity == SparseFormat::kNone) return parts;
    const auto found = std::ranges::find(parts, "weight", &OwnedPart::name);
    auto sparse = sparse_pack(layout.sparsity, {found->dtype, found->shape, found->bytes});
    parts.erase(found);
    std::ranges::move(sparse, std::back_inserter(parts));
    return parts;
  }

  OwnedParts operator()(const MarlinLayout&) const { not_written(); }
  OwnedParts operator()(const HqqLayout&) const { not_written(); }

 private:
  [[noreturn]] static void not_written() {
    fail(ErrorKind::kInternal, "pack_linear: a layout that is read only");
  }

  Float8Codes float8_codes(BlockShape block) const {
    constexpr std::string_view kDtype = "F8_E4M3";
    const auto* there = std::get_if<Float8Codes>(&codes);
    if (there == nullptr || there->dtype != kDtype) {
      return float8_rounded(shape, weight, block, kDtype);
    }
    auto scales = with_blocks(there->scales, shape, block);
    if (!scales) return float8_rounded(shape, weight, block, kDtype);
    Float8Codes same = *there;
    same.scales = std::move(*scales);
    return same;
  }

  OwnedParts dense_parts(const CompressedTensorsLayout& layout) const {
    if (const auto* integer = std::get_if<CtInteger>(&layout.weights)) {
      return ct_integer_pack(*integer, integers(), "F32", Straddling::kStream);
    }
    if (const auto* float8 = std::get_if<Float8Layout>(&layout.weights)) {
      OwnedParts parts = (*this)(*float8);
      if (float8->block == BlockShape{-1, -1}) parts.back().shape = {1};
      return parts;
    }
    if (const auto* float4 = std::get_if<Float4Kind>(&layout.weights)) {
      return float4_pack(*float4, shape, weight);
    }
    if (!std::holds_alternative<CtDense>(layout.weights)) not_written();
    OwnedParts parts;
    parts.push_back(
        make_float_part("weight", dtype, {shape.out_features, shape.in_features}, weight));
    return parts;
  }

  GridCodes integers() const {
    const auto* rows = std::get_if<RowCodes>(&codes);
    return rows == nullptr ? as<GridCodes>() : grid_of_rows(*rows);
  }
};

LinearCodes codes_in(const GptqLayout& layout, const StoredParts& parts) {
  return gptq_unpack(layout, parts);
}
LinearCodes codes_in(const MarlinLayout& layout, const StoredParts& parts) {
  return marlin_unpack(layout, parts);
}
LinearCodes codes_in(const AwqLayout& layout, const StoredParts& parts) {
  return awq_unpack(layout, parts);
}
LinearCodes codes_in(const HqqLayout& layout, const StoredParts& parts) {
  return hqq_unpack(layout, parts);
}
LinearCodes codes_in(const Float8Layout& layout, const StoredParts& parts) {
  return float8_unpack(layout, parts);
}
LinearCodes codes_in(const BitsAndBytesLayout& layout, const StoredParts& parts) {
  if (layout.is_four_bit) return four_bit_unpack(parts);
  return int8_unpack(parts);
}
LinearCodes codes_in(const CompressedTensorsLayout& layout, const StoredParts& parts) {
  if (layout.sparsity != SparseFormat::kNone) return std::monostate();
  if (const auto* integer = std::get_if<CtInteger>(&layout.weights)) {
    return ct_integer_unpack(*integer, parts);
  }
  if (const auto* float8 = std::get_if<Float8Layout>(&layout.weights)) {
    return float8_unpack(*float8, parts);
  }
  if (const auto* marlin = std::get_if<Marlin24Layout>(&layout.weights)) {
    return marlin_24_unpack(*marlin, parts);
  }
  return std::monostate();
}

template <class Layout>
int64_t group_size_in(const Layout& layout) {
  if constexpr (requires { layout.group_size; }) return layout.group_size;
  return -1;
}
int64_t group_size_in(const CompressedTensorsLayout& layout) {
  if (const auto* integer = std::get_if<CtInteger>(&layout.weights)) return integer->block.cols;
  if (const auto* marlin = std::get_if<Marlin24Layout>(&layout.weights)) return marlin->group_size;
  return -1;
}

}  // namespace

LinearCodes linear_codes(const PackedLayout& layout, const StoredParts& parts) {
  return std::visit([&](const auto& l) { return codes_in(l, parts); }, layout);
}

int64_t group_size_of(const PackedLayout& layout) {
  return std::visit([](const auto& l) { return group_size_in(l); }, layout);
}

OwnedParts pack_linear(const PackedLayout& layout, const LinearCodes& codes, LinearShape shape,
                       std::span<const float> weight, std::string_view dtype) {
  return std::visit(Packer{codes, shape, weight, dtype}, layout);
}

}  // namespace assay
