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
    const auto& rows = as<RowCodes>();
    return int8_pack(rows.shape, rows.codes, rows.absmax);
  }

  OwnedParts operator()(const Float8Layout& layout) const {
    const auto blocks = blocks_of(shape, layout.block);
    std::vector<int64_t> scale_shape;  // of one for the tensor: a number
    if (layout.block != BlockShape{-1, -1}) {
      scale_shape = {blocks.out_features, blocks.in_features};
    }
    return float8_pack(layout, shape, weight, "F8_E4M3", std::move(scale_shape));
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

  // Rows of 8-bit codes are a grid of one group a row, as well.
  GridCodes integers() const {
    if (!std::holds_alternative<RowCodes>(codes)) return as<GridCodes>();
    const auto& rows = as<RowCodes>();
    GridCodes grid = GridCodes::sized(rows.shape, 8, -1);
    std::ranges::transform(rows.codes, grid.codes.begin(),
                           [](int8_t code) { return static_cast<uint8_t>(code + 128); });
    std::ranges::transform(rows.absmax, grid.scales.begin(),
                           [](float absmax) { return absmax / 127; });
    std::ranges::fill(grid.zeros, 128.0f);
    return grid;
  }
};

}  // namespace

OwnedParts pack_linear(const PackedLayout& layout, const LinearCodes& codes, LinearShape shape,
                       std::span<const float> weight, std::string_view dtype) {
  return std::visit(Packer{codes, shape, weight, dtype}, layout);
}

}  // namespace assay
