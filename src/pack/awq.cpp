#include "pack/awq.h"

#include <array>
#include <sstream>

#include "base/error.h"
#include "base/thread_pool.h"
#include "pack/bit_fields.h"

namespace assay {
namespace {

constexpr auto kStream = Straddling::kStream;
constexpr int64_t kPerWord = 8;
constexpr std::array<int64_t, 8> kNibbleOf{0, 4, 1, 5, 2, 6, 3, 7};  // of output 8c + k

// Fields of a row of words, put into the order of the outputs.
void unpack_outputs(const std::byte* words, int64_t out, uint8_t* fields) {
  for (int64_t first = 0; first < out; first += kPerWord, words += 4) {
    std::array<uint8_t, kPerWord> nibbles{};
    unpack_fields(words, 1, 4, kStream, kPerWord, nibbles.data());
    for (int64_t k = 0; k < kPerWord; ++k) {
      fields[first + k] = nibbles.at(static_cast<size_t>(kNibbleOf.at(static_cast<size_t>(k))));
    }
  }
}

void pack_outputs(const uint8_t* fields, int64_t out, std::byte* words) {
  for (int64_t first = 0; first < out; first += kPerWord, words += 4) {
    std::array<uint8_t, kPerWord> nibbles{};
    for (int64_t k = 0; k < kPerWord; ++k) {
      nibbles.at(static_cast<size_t>(kNibbleOf.at(static_cast<size_t>(k)))) = fields[first + k];
    }
    pack_fields(nibbles.data(), kPerWord, 4, kStream, words, 1);
  }
}

void unpack_gemm(const StoredParts& parts, GridCodes& grid) {
  const int64_t out = grid.out_features, in = grid.in_features, groups = grid.num_groups;
  const std::byte *codes = parts.find("qweight")->second.bytes.data(),
                  *zeros = parts.find("qzeros")->second.bytes.data();
  const auto scales = floats_of(parts.find("scales")->second);
  // A word of every input makes eight rows, which no other task touches.
  parallel_for(out / kPerWord, [&](int64_t column) {
    const int64_t first = column * kPerWord, row_bytes = out / 2;
    std::array<uint8_t, kPerWord> fields{};
    for (int64_t i = 0; i < in; ++i) {
      unpack_outputs(codes + i * row_bytes + 4 * column, kPerWord, fields.data());
      for (int64_t k = 0; k < kPerWord; ++k) {
        grid.codes[static_cast<size_t>((first + k) * in + i)] = fields.at(static_cast<size_t>(k));
      }
    }
    for (int64_t g = 0; g < groups; ++g) {
      unpack_outputs(zeros + g * row_bytes + 4 * column, kPerWord, fields.data());
      for (int64_t k = 0; k < kPerWord; ++k) {
        const auto cell = static_cast<size_t>((first + k) * groups + g);
        grid.zeros[cell] = fields.at(static_cast<size_t>(k));
        grid.scales[cell] = scales[static_cast<size_t>(g * out + first + k)];
      }
    }
  });
}

void unpack_gemv(const StoredParts& parts, GridCodes& grid) {
  const int64_t in = grid.in_features, groups = grid.num_groups;
  const auto& qzeros = parts.find("qzeros")->second;
  const int64_t zero_words = qzeros.shape[1];
  const std::byte* codes = parts.find("qweight")->second.bytes.data();
  const auto scales = floats_of(parts.find("scales")->second);
  parallel_for(grid.out_features, [&](int64_t o) {
    unpack_fields(codes + o * in / 2, 1, 4, kStream, in, grid.codes.data() + o * in);
    std::vector<uint8_t> zeros(static_cast<size_t>(groups));
    unpack_fields(qzeros.bytes.data() + 4 * zero_words * o, 1, 4, kStream, groups, zeros.data());
    for (int64_t g = 0; g < groups; ++g) {
      const auto cell = static_cast<size_t>(o * groups + g);
      grid.zeros[cell] = zeros[static_cast<size_t>(g)];
      grid.scales[cell] = scales[static_cast<size_t>(o * 8 * zero_words + g)];
    }
  });
}

uint8_t zero_field(float zero) {
  require(zero >= 0 && zero <= 15 && zero == static_cast<float>(static_cast<int>(zero)),
          "a zero point of ", zero, " cannot be stored in 4 bits");
  return static_cast<uint8_t>(zero);
}

std::vector<uint8_t> zero_fields(const GridCodes& grid) {
  std::vector<uint8_t> fields(grid.zeros.size());
  for (size_t i = 0; i < fields.size(); ++i) fields[i] = zero_field(grid.zeros[i]);
  return fields;
}

OwnedParts pack_gemm(const GridCodes& grid) {
  const int64_t out = grid.out_features, in = grid.in_features, groups = grid.num_groups;
  const int64_t words = out / kPerWord;
  const auto zeros = zero_fields(grid);
  std::vector<int32_t> qweight(static_cast<size_t>(in * words)),
      qzeros(static_cast<size_t>(groups * words));
  std::vector<float> scales(static_cast<size_t>(groups * out));
  // One row of words out of column `c` of a row-major matrix with `columns` columns.
  const auto pack_column = [&](const uint8_t* fields, int64_t columns, int64_t c, int32_t* row) {
    std::vector<uint8_t> column(static_cast<size_t>(out));
    for (int64_t o = 0; o < out; ++o) column[static_cast<size_t>(o)] = fields[o * columns + c];
    pack_outputs(column.data(), out, reinterpret_cast<std::byte*>(row));
  };
  parallel_for(
      in, [&](int64_t i) { pack_column(grid.codes.data(), in, i, qweight.data() + i * words); });
  for (int64_t g = 0; g < groups; ++g) {
    pack_column(zeros.data(), groups, g, qzeros.data() + g * words);
    for (int64_t o = 0; o < out; ++o) {
      scales[static_cast<size_t>(g * out + o)] = grid.scales[static_cast<size_t>(o * groups + g)];
    }
  }
  OwnedParts parts;
  parts.push_back(make_part<int32_t>("qweight", "I32", {in, words}, qweight));
  parts.push_back(make_part<int32_t>("qzeros", "I32", {groups, words}, qzeros));
  parts.push_back(make_float_part("scales", "F16", {groups, out}, scales));
  return parts;
}

OwnedParts pack_gemv(const GridCodes& grid, int64_t group_size) {
  const int64_t out = grid.out_features, in = grid.in_features, groups = grid.num_groups;
  const int64_t zero_words = awq_gemv_zero_words(in, group_width(in, group_size));
  const auto zeros = zero_fields(grid);
  std::vector<int32_t> qweight(static_cast<size_t>(out * in / kPerWord)),
      qzeros(static_cast<size_t>(out * zero_words));
  std::vector<float> scales(static_cast<size_t>(out * 8 * zero_words));
  for (int64_t o = 0; o < out; ++o) {
    pack_fields(grid.codes.data() + o * in, in, 4, kStream,
                reinterpret_cast<std::byte*>(qweight.data() + o * in / kPerWord), 1);
    pack_fields(zeros.data() + o * groups, groups, 4, kStream,
                reinterpret_cast<std::byte*>(qzeros.data() + o * zero_words), 1);
    for (int64_t g = 0; g < groups; ++g) {
      scales[static_cast<size_t>(o * 8 * zero_words + g)] =
          grid.scales[static_cast<size_t>(o * groups + g)];
    }
  }
  OwnedParts parts;
  parts.push_back(make_part<int32_t>("qweight", "I32", {out, in / kPerWord}, qweight));
  parts.push_back(make_part<int32_t>("qzeros", "I32", {out, zero_words}, qzeros));
  parts.push_back(make_float_part("scales", "F16", {out, 8 * zero_words}, scales));
  return parts;
}

}  // namespace

LinearShape awq_shape(const AwqLayout& layout, const StoredParts& parts) {
  const auto words = matrix_shape(part_of(parts, "qweight", {"I32"}), "qweight");
  const bool is_gemv = layout.version == AwqVersion::kGemv;
  const LinearShape shape = is_gemv ? LinearShape{words.out_features, kPerWord * words.in_features}
                                    : LinearShape{kPerWord * words.in_features, words.out_features};
  const int64_t in = shape.in_features, out = shape.out_features;
  require_intact(in % group_width(in, layout.group_size) == 0, "'qweight': groups of ",
                 layout.group_size, " do not divide ", in, " inputs");
  const int64_t groups = groups_of(in, layout.group_size);
  if (!is_gemv) {
    part_of(parts, "qzeros", {"I32"}, {groups, out / kPerWord});
    part_of(parts, "scales", {"F16", "BF16", "F32"}, {groups, out});
    return shape;
  }
  const auto zeros = matrix_shape(part_of(parts, "qzeros", {"I32"}), "qzeros");
  require_intact(zeros.out_features == out && zeros.in_features * kPerWord >= groups,
                 "'qzeros' has shape [", zeros.out_features, ", ", zeros.in_features, "], ", groups,
                 " groups of ", out, " outputs need [", out, ", ", (groups + 7) / 8,
                 "] at the least");
  part_of(parts, "scales", {"F16", "BF16", "F32"}, {out, kPerWord * zeros.in_features});
  return shape;
}

GridCodes awq_unpack(const AwqLayout& layout, const StoredParts& parts) {
  GridCodes grid = GridCodes::sized(awq_shape(layout, parts), 4, layout.group_size);
  if (layout.version == AwqVersion::kGemm) {
    unpack_gemm(parts, grid);
  } else {
    unpack_gemv(parts, grid);
  }
  return grid;
}

int64_t awq_gemv_zero_words(int64_t in_features, int64_t group_size) {
  const int64_t groups = in_features / group_size, words = (groups + 7) / 8;
  const int64_t multiple = group_size == 64 ? 2 : group_size == 32 ? 4 : 1;
  return (words + multiple - 1) / multiple * multiple;
}

std::string why_not_awq(const AwqLayout& layout, LinearShape shape, int64_t bits) {
  std::ostringstream why;
  if (bits != 4) {
    why << "AWQ files hold 4 bits, not " << bits;
  } else if (shape.in_features % 8 != 0 || shape.out_features % 8 != 0) {
    why << "AWQ files need widths that are multiples of 8, not [" << shape.out_features << ", "
        << shape.in_features << "]";
  } else if (shape.in_features % group_width(shape.in_features, layout.group_size) != 0) {
    why << "AWQ files cannot hold groups of " << layout.group_size << " in rows of "
        << shape.in_features;
  }
  return why.str();
}

OwnedParts awq_pack(const AwqLayout& layout, const GridCodes& grid) {
  check_grid_codes(grid);
  const auto why_not = why_not_awq(layout, {grid.out_features, grid.in_features}, grid.bits);
  require(why_not.empty(), why_not);
  require(grid.has_consecutive_groups(layout.group_size),
          "AWQ files cannot hold groups of scattered inputs (desc_act)");
  return layout.version == AwqVersion::kGemm ? pack_gemm(grid) : pack_gemv(grid, layout.group_size);
}

}  // namespace assay
