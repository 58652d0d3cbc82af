#include "pack/gptq.h"

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "base/thread_pool.h"
#include "pack/bit_fields.h"

namespace assay {
namespace {

constexpr auto kStream = Straddling::kStream;

bool has_float_zeros(const StoredParts& parts) {
  return find_part(parts, "qzeros") == nullptr && find_part(parts, "zeros") != nullptr;
}

// Zeros [out, groups] from qzeros [groups, out * bits / 32].
std::vector<float> zeros_of(const GptqLayout& layout, const StoredPart& qzeros, int64_t out) {
  const int64_t groups = qzeros.shape[0], words = qzeros.shape[1];
  const int64_t wrap =
      layout.stored_zero == StoredZero::kMinusOneWrapping ? 1 << layout.bits : int64_t{1} << 32;
  const int64_t add = layout.stored_zero == StoredZero::kPlain ? 0 : 1;
  std::vector<float> zeros(static_cast<size_t>(out * groups));
  std::vector<uint8_t> fields(static_cast<size_t>(out));
  for (int64_t g = 0; g < groups; ++g) {
    unpack_fields(qzeros.bytes.data() + 4 * words * g, 1, layout.bits, kStream, out, fields.data());
    for (int64_t o = 0; o < out; ++o) {
      zeros[static_cast<size_t>(o * groups + g)] =
          static_cast<float>((fields[static_cast<size_t>(o)] + add) % wrap);
    }
  }
  return zeros;
}

// [rows, cols] -> [cols, rows].
std::vector<float> transposed(const std::vector<float>& values, int64_t rows, int64_t cols) {
  std::vector<float> result(values.size());
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) {
      result[static_cast<size_t>(c * rows + r)] = values[static_cast<size_t>(r * cols + c)];
    }
  }
  return result;
}

void read_groups(const StoredPart& g_idx, GridCodes& grid) {
  const auto groups = integers_of(g_idx);
  for (size_t i = 0; i < groups.size(); ++i) {
    require_intact(groups[i] >= 0 && groups[i] < grid.num_groups, "'g_idx': input ", i,
                   " is of group ", groups[i], ", there are ", grid.num_groups);
    grid.group_of_column[i] = static_cast<int32_t>(groups[i]);
  }
}

// What the field of a zero holds.
uint8_t zero_field(const GptqLayout& layout, float zero) {
  const float field = zero - (layout.stored_zero == StoredZero::kPlain ? 0.0f : 1.0f);
  const auto max = static_cast<float>((1 << layout.bits) - 1);
  require(
      field >= 0 && field <= max && field == static_cast<float>(static_cast<int>(field)),
      "a zero point of ", zero, " cannot be stored in ", layout.bits, " bits",
      layout.stored_zero == StoredZero::kPlain ? "" : " as zero - 1 (gptq_v2 stores it as it is)");
  return static_cast<uint8_t>(field);
}

}  // namespace

LinearShape gptq_shape(const GptqLayout& layout, const StoredParts& parts) {
  const auto qweight = matrix_shape(part_of(parts, "qweight", {"I32"}), "qweight");
  // Bounded by the file: a word holds at most 16 inputs.
  const int64_t out = qweight.in_features, in = qweight.out_features * 32 / layout.bits;
  require_intact(qweight.out_features % (layout.bits == 3 ? 3 : 1) == 0 && in > 0,
                 "'qweight': ", qweight.out_features, " rows of words are not whole runs of 32 ",
                 layout.bits, "-bit codes");
  const int64_t groups = groups_of(in, layout.group_size);
  part_of(parts, "scales", {"F16", "BF16", "F32"}, {groups, out});
  if (has_float_zeros(parts)) {
    part_of(parts, "zeros", {"F16", "BF16", "F32"}, {groups, out});
  } else {
    require_intact(out * layout.bits % 32 == 0, "'qweight': ", out,
                   " outputs do not fill the words of 'qzeros'");
    part_of(parts, "qzeros", {"I32"}, {groups, out * layout.bits / 32});
  }
  if (find_part(parts, "g_idx") != nullptr) part_of(parts, "g_idx", {"I32"}, {in});
  return {out, in};
}

GridCodes gptq_unpack(const GptqLayout& layout, const StoredParts& parts) {
  const LinearShape shape = gptq_shape(layout, parts);
  const int64_t out = shape.out_features, in = shape.in_features;
  GridCodes grid = GridCodes::sized(shape, layout.bits, layout.group_size);
  const std::byte* words = parts.find("qweight")->second.bytes.data();
  parallel_for(out, [&](int64_t o) {
    unpack_fields(words + 4 * o, out, layout.bits, kStream, in, grid.codes.data() + o * in);
  });
  grid.scales = transposed(floats_of(parts.find("scales")->second), grid.num_groups, out);
  if (has_float_zeros(parts)) {  // of zero * scale
    grid.zeros = transposed(floats_of(parts.find("zeros")->second), grid.num_groups, out);
    for (size_t i = 0; i < grid.zeros.size(); ++i) {
      grid.zeros[i] = grid.scales[i] == 0 ? 0 : grid.zeros[i] / grid.scales[i];
    }
  } else {
    grid.zeros = zeros_of(layout, parts.find("qzeros")->second, out);
  }
  if (const auto* g_idx = find_part(parts, "g_idx")) read_groups(*g_idx, grid);
  return grid;
}

int64_t gptq_full_zero_fields(const GptqLayout& layout, const StoredParts& parts) {
  if (layout.stored_zero == StoredZero::kPlain || has_float_zeros(parts)) return 0;
  const int64_t out = gptq_shape(layout, parts).out_features;
  GptqLayout plain = layout;
  plain.stored_zero = StoredZero::kPlain;
  const auto fields = zeros_of(plain, parts.find("qzeros")->second, out);
  return std::ranges::count(fields, static_cast<float>((1 << layout.bits) - 1));
}

std::string why_not_gptq(const GptqLayout& layout, LinearShape shape) {
  std::ostringstream why;
  if (layout.bits != 2 && layout.bits != 3 && layout.bits != 4 && layout.bits != 8) {
    why << "GPTQ files hold 2, 3, 4 or 8 bits, not " << layout.bits;
  } else if (shape.in_features % 32 != 0 || shape.out_features % 32 != 0) {
    why << "GPTQ files need widths that are multiples of 32, not [" << shape.out_features << ", "
        << shape.in_features << "]";
  } else if (shape.in_features % group_width(shape.in_features, layout.group_size) != 0) {
    why << "groups of " << layout.group_size << " do not divide a row of " << shape.in_features
        << ", which programs that read GPTQ files need";
  }
  return why.str();
}

OwnedParts gptq_pack(const GptqLayout& layout, const GridCodes& grid) {
  check_grid_codes(grid);
  const LinearShape shape{grid.out_features, grid.in_features};
  const auto why_not = why_not_gptq(layout, shape);
  require(why_not.empty(), why_not);
  const int64_t out = grid.out_features, in = grid.in_features, groups = grid.num_groups;
  const int64_t word_rows = in * layout.bits / 32, zero_words = out * layout.bits / 32;
  std::vector<int32_t> qweight(static_cast<size_t>(word_rows * out)),
      qzeros(static_cast<size_t>(groups * zero_words));
  parallel_for(out, [&](int64_t o) {
    pack_fields(grid.codes.data() + o * in, in, layout.bits, kStream,
                reinterpret_cast<std::byte*>(qweight.data() + o), out);
  });
  std::vector<uint8_t> fields(static_cast<size_t>(out));
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t o = 0; o < out; ++o) {
      fields[static_cast<size_t>(o)] =
          zero_field(layout, grid.zeros[static_cast<size_t>(o * groups + g)]);
    }
    pack_fields(fields.data(), out, layout.bits, kStream,
                reinterpret_cast<std::byte*>(qzeros.data() + g * zero_words), 1);
  }
  OwnedParts parts;
  parts.push_back(make_part<int32_t>("qweight", "I32", {word_rows, out}, qweight));
  parts.push_back(make_part<int32_t>("qzeros", "I32", {groups, zero_words}, qzeros));
  parts.push_back(
      make_float_part("scales", "F16", {groups, out}, transposed(grid.scales, out, groups)));
  parts.push_back(make_part<int32_t>("g_idx", "I32", {in}, grid.group_of_column));
  return parts;
}

}  // namespace assay
