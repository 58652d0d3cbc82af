#include "pack/packed_layout.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace assay {
namespace {

using namespace std::string_view_literals;

// Of two that fit a name the longer one comes first.
constexpr std::array kPartNames{
    "weight.quant_state.bitsandbytes__nf4"sv,
    "weight.quant_state.bitsandbytes__fp4"sv,
    "weight.absmax"sv,
    "weight.quant_map"sv,
    "weight.nested_absmax"sv,
    "weight.nested_quant_map"sv,
    "SCB"sv,
    "weight_format"sv,
    "qweight"sv,
    "qzeros"sv,
    "scales"sv,
    "zeros"sv,
    "g_idx"sv,
    "B"sv,
    "s"sv,
    "weight_packed"sv,
    "scale_packed"sv,
    "meta"sv,
    "weight_scale"sv,
    "weight_scale_inv"sv,
    "weight_scale_2"sv,
    "weight_zero_point"sv,
    "weight_global_scale"sv,
    "weight_g_idx"sv,
    "weight_shape"sv,
    "compressed"sv,
    "bitmask"sv,
    "row_offsets"sv,
    "shape"sv,
    "W_q"sv,
    "scale"sv,
    "zero"sv,
    "nbits"sv,
    "axis"sv,
    "group_size"sv,
    "packing"sv,
    "unpack_view_dtype"sv,
    "view_as_float"sv,
    "quant_scale"sv,
    "quant_zero"sv,
    "compute_dtype"sv,
    "offload_meta"sv,
    "encoded_state_dict"sv,
    "stores_quant_config"sv,
    "channel_wise"sv,
    "optimize"sv,
    "round_zero"sv,
    "input_scale"sv,
    "input_zero_point"sv,
    "input_global_scale"sv,
    "weight"sv,
};

std::string group_text(int64_t group_size) {
  return group_size == -1 ? "-row" : "-g" + std::to_string(group_size);
}

std::string block_text(BlockShape block) {
  if (block == BlockShape{-1, -1}) return "-tensor";
  if (block.rows == 1) return group_text(block.cols);
  return "-" + std::to_string(block.rows) + "x" + std::to_string(block.cols);
}

std::string type_of(const GptqLayout& layout, const StoredParts&) {
  constexpr std::array kSuffixes{""sv, "-wrapped"sv, "-v2"sv};
  return "GPTQ-" + std::to_string(layout.bits) + "bit" + group_text(layout.group_size) +
         std::string(kSuffixes.at(static_cast<size_t>(layout.stored_zero)));
}

std::string type_of(const MarlinLayout& layout, const StoredParts&) {
  return "Marlin-4bit" + group_text(layout.group_size);
}

std::string type_of(const AwqLayout& layout, const StoredParts&) {
  return std::string("AWQ-4bit") + group_text(layout.group_size) +
         (layout.version == AwqVersion::kGemv ? "-gemv" : "");
}

std::string type_of(const BitsAndBytesLayout& layout, const StoredParts& parts) {
  if (!layout.is_four_bit) return "BNB-INT8";
  const QuantState state = quant_state_of(parts);
  return std::string(state.quant_type == "nf4" ? "BNB-NF4" : "BNB-FP4") +
         (state.blocksize == 64 ? "" : "-b" + std::to_string(state.blocksize)) +
         (state.nested ? "-nested" : "");
}

std::string type_of(const Float8Layout& layout, const StoredParts& parts) {
  const auto name = part_of(parts, "weight", {"F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ"})
                        .dtype->name.substr(3);
  return "FP8-" + std::string(name) + block_text(layout.block);
}

std::string type_of(const CompressedTensorsLayout& layout, const StoredParts& parts) {
  std::string text;
  if (const auto* integer = std::get_if<CtInteger>(&layout.weights)) {
    text = "CT-" + std::to_string(integer->bits) + "bit" + block_text(integer->block) +
           (integer->symmetric ? "" : "-asym");
  } else if (const auto* float8 = std::get_if<Float8Layout>(&layout.weights)) {
    text = "CT-FP8" + block_text(float8->block);
  } else if (const auto* float4 = std::get_if<Float4Kind>(&layout.weights)) {
    text = name_of(*float4);
  } else if (const auto* marlin = std::get_if<Marlin24Layout>(&layout.weights)) {
    text = "Marlin24-" + std::to_string(marlin->bits) + "bit" + group_text(marlin->group_size);
  } else {
    text = "CT-" + std::string(parts.find("compressed")->second.dtype->name);
  }
  if (layout.sparsity == SparseFormat::k24Bitmask) text += "-24bitmask";
  if (layout.sparsity == SparseFormat::kBitmask) text += "-bitmask";
  return text;
}

std::string type_of(const HqqLayout& layout, const StoredParts&) {
  return "HQQ-" + std::to_string(layout.bits) + "bit" + group_text(layout.group_size);
}

LinearShape shape_of(const GptqLayout& layout, const StoredParts& parts) {
  return gptq_shape(layout, parts);
}
LinearShape shape_of(const MarlinLayout& layout, const StoredParts& parts) {
  return marlin_shape(layout, parts);
}
LinearShape shape_of(const AwqLayout& layout, const StoredParts& parts) {
  return awq_shape(layout, parts);
}
LinearShape shape_of(const BitsAndBytesLayout& layout, const StoredParts& parts) {
  return layout.is_four_bit ? four_bit_shape(parts) : int8_shape(parts);
}
LinearShape shape_of(const CompressedTensorsLayout& layout, const StoredParts& parts) {
  return compressed_tensors_shape(layout, parts);
}
LinearShape shape_of(const Float8Layout& layout, const StoredParts& parts) {
  return float8_shape(layout, parts);
}
LinearShape shape_of(const HqqLayout& layout, const StoredParts& parts) {
  return hqq_shape(layout, parts);
}

void values_of(const GptqLayout& layout, const StoredParts& parts, std::span<float> values) {
  grid_values(gptq_unpack(layout, parts), values);
}
void values_of(const MarlinLayout& layout, const StoredParts& parts, std::span<float> values) {
  grid_values(marlin_unpack(layout, parts), values);
}
void values_of(const AwqLayout& layout, const StoredParts& parts, std::span<float> values) {
  grid_values(awq_unpack(layout, parts), values);
}
void values_of(const BitsAndBytesLayout& layout, const StoredParts& parts,
               std::span<float> values) {
  if (layout.is_four_bit) return four_bit_values(four_bit_unpack(parts), values);
  grid_values(grid_of_rows(int8_unpack(parts)), values);
}
void values_of(const CompressedTensorsLayout& layout, const StoredParts& parts,
               std::span<float> values) {
  compressed_tensors_values(layout, parts, values);
}
void values_of(const Float8Layout& layout, const StoredParts& parts, std::span<float> values) {
  float8_values(layout, parts, values);
}
void values_of(const HqqLayout& layout, const StoredParts& parts, std::span<float> values) {
  grid_values(hqq_unpack(layout, parts), values);
}

}  // namespace

LinearShape packed_shape(const PackedLayout& layout, const StoredParts& parts) {
  return std::visit([&](const auto& l) { return shape_of(l, parts); }, layout);
}

void packed_values(const PackedLayout& layout, const StoredParts& parts, std::span<float> values) {
  std::visit([&](const auto& l) { values_of(l, parts, values); }, layout);
}

std::string packed_type(const PackedLayout& layout, const StoredParts& parts) {
  return std::visit([&](const auto& l) { return type_of(l, parts); }, layout);
}

std::string packed_warning(const PackedLayout& layout, const StoredParts& parts) {
  const auto* gptq = std::get_if<GptqLayout>(&layout);
  const int64_t full = gptq == nullptr ? 0 : gptq_full_zero_fields(*gptq, parts);
  if (full == 0) return "";
  return "zero points of " + std::to_string((1 << gptq->bits) - 1) +
         " in a file that stores zero - 1: " +
         (gptq->stored_zero == StoredZero::kMinusOneWrapping
              ? "read as 0"
              : "read as 2^bits, as GPTQ kernels do");
}

ModulePart split_part(std::string_view tensor_name) {
  for (const auto part : kPartNames) {
    if (tensor_name.size() <= part.size() + 1 || !tensor_name.ends_with(part)) continue;
    const auto module = tensor_name.substr(0, tensor_name.size() - part.size());
    if (module.ends_with('.')) return {module.substr(0, module.size() - 1), part};
  }
  return {tensor_name, {}};
}

}  // namespace assay
