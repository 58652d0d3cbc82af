#include "pack/compressed_tensors.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/error.h"
#include "base/thread_pool.h"

namespace assay {
namespace {

const std::initializer_list<std::string_view> kScaleDtypes{"F32", "BF16", "F16"};

LinearShape stated_shape(const StoredParts& parts) {
  const auto dims = integers_of(part_of(parts, "weight_shape", {"I64", "I32"}, {2}));
  constexpr int64_t kMaxDim = int64_t{1} << 31;
  require_intact(dims[0] > 0 && dims[1] > 0 && dims[0] <= kMaxDim && dims[1] <= kMaxDim,
                 "'weight_shape' holds [", dims[0], ", ", dims[1], "]");
  return {dims[0], dims[1]};
}

// How `count` fields lie in so many words; which of the two, when both need as many, must not
// matter.
Straddling straddling_of(std::string_view name, int64_t count, int64_t bits, int64_t words) {
  const bool is_stream = words == words_of_fields(count, bits, Straddling::kStream);
  const bool is_never = words == words_of_fields(count, bits, Straddling::kNever);
  require_intact(is_stream || is_never, "'", name, "' has ", words, " words for ", count,
                 " codes of ", bits, " bits, expected ",
                 words_of_fields(count, bits, Straddling::kStream));
  const bool is_same = 32 % bits == 0 || count <= 32 / bits;
  require(!is_stream || !is_never || is_same, "'", name, "': ", count, " codes of ", bits,
          " bits in ", words, " words may or may not cross words: unsupported");
  return is_stream ? Straddling::kStream : Straddling::kNever;
}

LinearShape integer_shape(const CtInteger& layout, const StoredParts& parts) {
  LinearShape shape;
  if (layout.is_packed) {
    shape = stated_shape(parts);
    const auto words = matrix_shape(part_of(parts, "weight_packed", {"I32"}), "weight_packed");
    require_intact(words.out_features == shape.out_features, "'weight_packed' has ",
                   words.out_features, " rows, 'weight_shape' says ", shape.out_features);
    straddling_of("weight_packed", shape.in_features, layout.bits, words.in_features);
  } else {
    shape = matrix_shape(part_of(parts, "weight", {"I8"}), "weight");
  }
  scales_part(parts, "weight_scale", kScaleDtypes, shape, layout.block);
  if (find_part(parts, "weight_g_idx") != nullptr) {
    part_of(parts, "weight_g_idx", {"I32"}, {shape.in_features});
  }
  if (layout.symmetric) return shape;
  const auto blocks = blocks_of(shape, layout.block);
  if (!layout.is_packed) {
    scales_part(parts, "weight_zero_point", {"I8"}, shape, layout.block);
    return shape;
  }
  require(layout.block.rows == 1,
          "asymmetric pack-quantized weights without a scale for each "
          "output are unsupported");
  const auto zeros =
      matrix_shape(part_of(parts, "weight_zero_point", {"I32"}), "weight_zero_point");
  require_intact(zeros.in_features == blocks.in_features, "'weight_zero_point' has ",
                 zeros.in_features, " columns, expected ", blocks.in_features);
  straddling_of("weight_zero_point", shape.out_features, layout.bits, zeros.out_features);
  return shape;
}

void unpack_codes(const CtInteger& layout, const StoredParts& parts, GridCodes& grid) {
  const int64_t in = grid.in_features;
  if (!layout.is_packed) {
    const auto& bytes = parts.find("weight")->second.bytes;
    const auto offset = static_cast<uint8_t>(1u << (layout.bits - 1));
    for (size_t i = 0; i < grid.codes.size(); ++i) {
      grid.codes[i] = static_cast<uint8_t>(static_cast<uint8_t>(bytes[i]) + offset);
      require_intact(grid.codes[i] < (1 << layout.bits), "'weight': element ", i, " is beyond ",
                     layout.bits, " bits");
    }
    return;
  }
  const StoredPart& packed = parts.find("weight_packed")->second;
  const int64_t words = packed.shape[1];
  const auto straddling = straddling_of("weight_packed", in, layout.bits, words);
  parallel_for(grid.out_features, [&](int64_t o) {
    unpack_fields(packed.bytes.data() + 4 * words * o, 1, layout.bits, straddling, in,
                  grid.codes.data() + o * in);
  });
}

// Offset as the codes are. Symmetric files have none, or zeros.
void unpack_zeros(const CtInteger& layout, const StoredParts& parts, LinearShape shape,
                  GridCodes& grid) {
  const auto offset = static_cast<float>(1 << (layout.bits - 1));
  std::ranges::fill(grid.zeros, offset);
  if (layout.symmetric) return;
  const StoredPart& part = parts.find("weight_zero_point")->second;
  if (!layout.is_packed) {
    const auto zeros = integers_of(part);
    const int64_t per_row = blocks_of(shape, layout.block).in_features;
    const BlockShape block = without_all(shape, layout.block);
    for (size_t cell = 0; cell < grid.zeros.size(); ++cell) {
      const int64_t row = static_cast<int64_t>(cell) / grid.num_groups / block.rows;
      const int64_t group = static_cast<int64_t>(cell) % grid.num_groups;
      grid.zeros[cell] += static_cast<float>(zeros[static_cast<size_t>(row * per_row + group)]);
    }
    return;
  }
  const int64_t out = shape.out_features, groups = grid.num_groups;
  const auto straddling = straddling_of("weight_zero_point", out, layout.bits, part.shape[0]);
  std::vector<uint8_t> fields(static_cast<size_t>(out));
  for (int64_t g = 0; g < groups; ++g) {
    unpack_fields(part.bytes.data() + 4 * g, groups, layout.bits, straddling, out, fields.data());
    for (int64_t o = 0; o < out; ++o) {
      grid.zeros[static_cast<size_t>(o * groups + g)] = fields[static_cast<size_t>(o)];
    }
  }
}

void unpack_scales(const CtInteger& layout, const StoredParts& parts, LinearShape shape,
                   GridCodes& grid) {
  const ScaleGrid scales = read_scales(parts, "weight_scale", kScaleDtypes, shape, layout.block);
  for (int64_t o = 0; o < grid.out_features; ++o) {
    for (int64_t g = 0; g < grid.num_groups; ++g) {
      grid.scales[static_cast<size_t>(o * grid.num_groups + g)] =
          scales.at(o, g * scales.block.cols);
    }
  }
  const StoredPart* g_idx = find_part(parts, "weight_g_idx");
  if (g_idx == nullptr) return;
  const auto groups = integers_of(*g_idx);
  // A tool that orders nothing may fill it with -1.
  if (std::ranges::all_of(groups, [](int64_t group) { return group == -1; })) return;
  for (size_t i = 0; i < groups.size(); ++i) {
    require_intact(groups[i] >= 0 && groups[i] < grid.num_groups, "'weight_g_idx': input ", i,
                   " is of group ", groups[i], ", there are ", grid.num_groups);
    grid.group_of_column[i] = static_cast<int32_t>(groups[i]);
  }
}

// With the dense "weight" that sparse parts make, which `dense` owns.
StoredParts without_sparsity(const CompressedTensorsLayout& layout, const StoredParts& parts,
                             std::optional<OwnedPart>& dense) {
  StoredParts all = parts;
  if (layout.sparsity == SparseFormat::kNone) return all;
  dense = sparse_unpack(layout.sparsity, parts);
  all["weight"] = {dense->dtype, dense->shape, dense->bytes};
  return all;
}

OwnedPart packed_zeros(const CtInteger& layout, const GridCodes& grid, Straddling straddling) {
  const int64_t out = grid.out_features, groups = grid.num_groups;
  const int64_t words = words_of_fields(out, layout.bits, straddling);
  std::vector<int32_t> packed(static_cast<size_t>(words * groups));
  std::vector<uint8_t> fields(static_cast<size_t>(out));
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t o = 0; o < out; ++o) {
      fields[static_cast<size_t>(o)] =
          static_cast<uint8_t>(grid.zeros[static_cast<size_t>(o * groups + g)]);
    }
    pack_fields(fields.data(), out, layout.bits, straddling,
                reinterpret_cast<std::byte*>(packed.data() + g), groups);
  }
  return make_part<int32_t>("weight_zero_point", "I32", {words, groups}, packed);
}

void check_zeros(const CtInteger& layout, const GridCodes& grid) {
  const auto middle = static_cast<float>(1 << (layout.bits - 1));
  for (const float zero : grid.zeros) {
    require(!layout.symmetric || zero == middle, "a zero point of ", zero,
            " in a symmetric layout, whose zero is ", middle);
    require(zero >= 0 && zero < 2 * middle && zero == static_cast<float>(static_cast<int>(zero)),
            "a zero point of ", zero, " cannot be stored in ", layout.bits, " bits");
  }
}

template <class T>
std::vector<int8_t> less_offset(const std::vector<T>& values, int64_t bits) {
  std::vector<int8_t> result(values.size());
  const int offset = 1 << (bits - 1);
  for (size_t i = 0; i < values.size(); ++i) {
    result[i] = static_cast<int8_t>(static_cast<int>(values[i]) - offset);
  }
  return result;
}

}  // namespace

LinearShape compressed_tensors_shape(const CompressedTensorsLayout& layout,
                                     const StoredParts& parts) {
  StoredParts all = parts;
  if (layout.sparsity != SparseFormat::kNone) {
    // The dense weight is not made yet: its type and shape are all that is asked for.
    const auto shape = sparse_shape(layout.sparsity, parts);
    all["weight"] = {
        parts.find("compressed")->second.dtype, {shape.out_features, shape.in_features}, {}};
  }
  if (const auto* integer = std::get_if<CtInteger>(&layout.weights)) {
    return integer_shape(*integer, all);
  }
  if (const auto* float8 = std::get_if<Float8Layout>(&layout.weights)) {
    return float8_shape(*float8, all);
  }
  if (const auto* float4 = std::get_if<Float4Kind>(&layout.weights)) {
    return float4_shape(*float4, all);
  }
  if (const auto* marlin = std::get_if<Marlin24Layout>(&layout.weights)) {
    return marlin_24_shape(*marlin, all);
  }
  return matrix_shape(part_of(all, "weight", {"F32", "F16", "BF16"}), "weight");
}

void compressed_tensors_values(const CompressedTensorsLayout& layout, const StoredParts& parts,
                               std::span<float> values) {
  std::optional<OwnedPart> dense;
  const StoredParts all = without_sparsity(layout, parts, dense);
  if (const auto* integer = std::get_if<CtInteger>(&layout.weights)) {
    grid_values(ct_integer_unpack(*integer, all), values);
  } else if (const auto* float8 = std::get_if<Float8Layout>(&layout.weights)) {
    float8_values(*float8, all, values);
  } else if (const auto* float4 = std::get_if<Float4Kind>(&layout.weights)) {
    float4_values(*float4, all, values);
  } else if (const auto* marlin = std::get_if<Marlin24Layout>(&layout.weights)) {
    grid_values(marlin_24_unpack(*marlin, all), values);
  } else {
    const auto floats = floats_of(part_of(all, "weight", {"F32", "F16", "BF16"}));
    require(floats.size() == values.size(), "compressed_tensors_values: ", values.size(),
            " values for ", floats.size(), " weights");
    std::ranges::copy(floats, values.begin());
  }
}

GridCodes ct_integer_unpack(const CtInteger& layout, const StoredParts& parts) {
  const LinearShape shape = integer_shape(layout, parts);
  GridCodes grid = GridCodes::sized(shape, layout.bits, layout.block.cols);
  unpack_codes(layout, parts, grid);
  unpack_scales(layout, parts, shape, grid);
  unpack_zeros(layout, parts, shape, grid);
  return grid;
}

OwnedParts ct_integer_pack(const CtInteger& layout, const GridCodes& grid,
                           std::string_view scale_dtype, Straddling straddling) {
  check_grid_codes(grid);
  require(layout.block.rows == 1, "compressed-tensors: only scales of rows or groups are written");
  const int64_t out = grid.out_features, in = grid.in_features, groups = grid.num_groups;
  require(in % group_width(in, layout.block.cols) == 0,
          "compressed-tensors files cannot hold groups "
          "of ",
          layout.block.cols, " in rows of ", in);
  check_zeros(layout, grid);
  OwnedParts parts;
  if (layout.is_packed) {
    const int64_t words = words_of_fields(in, layout.bits, straddling);
    std::vector<int32_t> packed(static_cast<size_t>(out * words));
    for (int64_t o = 0; o < out; ++o) {
      pack_fields(grid.codes.data() + o * in, in, layout.bits, straddling,
                  reinterpret_cast<std::byte*>(packed.data() + o * words), 1);
    }
    const std::array<int64_t, 2> shape{out, in};
    parts.push_back(make_part<int32_t>("weight_packed", "I32", {out, words}, packed));
    parts.push_back(make_part<int64_t>("weight_shape", "I64", {2}, shape));
    if (!layout.symmetric) parts.push_back(packed_zeros(layout, grid, straddling));
  } else {
    parts.push_back(
        make_part<int8_t>("weight", "I8", {out, in}, less_offset(grid.codes, layout.bits)));
    if (!layout.symmetric) {
      parts.push_back(make_part<int8_t>("weight_zero_point", "I8", {out, groups},
                                        less_offset(grid.zeros, layout.bits)));
    }
  }
  parts.push_back(make_float_part("weight_scale", scale_dtype, {out, groups}, grid.scales));
  if (!grid.has_consecutive_groups(layout.block.cols)) {
    parts.push_back(make_part<int32_t>("weight_g_idx", "I32", {in}, grid.group_of_column));
  }
  return parts;
}

}  // namespace assay
