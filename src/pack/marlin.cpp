#include "pack/marlin.h"

#include <algorithm>
#include <span>
#include <vector>

#include "base/error.h"
#include "pack/bit_fields.h"

namespace assay {
namespace {

constexpr int64_t kRun = 1024;  // codes that are permuted together
constexpr int64_t kTile = 16;

// The rows of a 16 x 16 tile that a thread of a warp holds.
std::array<int, 4> rows_of_lane(int lane) {
  const int first = 2 * (lane % 4);
  return {first, first + 1, first + 8, first + 9};
}

// Codes of a word are taken apart into low and high halves of two by the kernels.
std::array<int16_t, 1024> interleaved(const std::vector<int>& order, int64_t bits) {
  constexpr std::array<size_t, 8> kOfFour{0, 2, 4, 6, 1, 3, 5, 7};
  constexpr std::array<size_t, 4> kOfEight{0, 2, 1, 3};
  const auto within =
      bits == 4 ? std::span<const size_t>(kOfFour) : std::span<const size_t>(kOfEight);
  std::array<int16_t, 1024> result{};
  for (size_t k = 0; k < result.size(); ++k) {
    const size_t run = k / within.size() * within.size();
    result.at(k) = static_cast<int16_t>(order.at(run + within[k % within.size()]));
  }
  return result;
}

// Stored codes of rows of tiles, as they lie in the [rows, cols] matrix that the tiles cut.
std::vector<uint8_t> untiled(std::span<const std::byte> words, int64_t rows, int64_t cols,
                             int64_t bits, const std::array<int16_t, 1024>& permutation) {
  std::vector<uint8_t> matrix(static_cast<size_t>(rows * cols));
  std::vector<uint8_t> fields(static_cast<size_t>(cols * kTile));
  const int64_t row_bytes = cols * kTile * bits / 8;
  for (int64_t tile_row = 0; tile_row < rows / kTile; ++tile_row) {
    unpack_fields(words.data() + tile_row * row_bytes, 1, bits, Straddling::kStream, cols * kTile,
                  fields.data());
    for (int64_t k = 0; k < cols * kTile; ++k) {
      const int64_t place = k / kRun * kRun + permutation[static_cast<size_t>(k % kRun)];
      const int64_t tile = place / (kTile * kTile), row = place / kTile % kTile;
      const int64_t col = tile * kTile + place % kTile;
      matrix[static_cast<size_t>((tile_row * kTile + row) * cols + col)] =
          fields[static_cast<size_t>(k)];
    }
  }
  return matrix;
}

// Scales [out, groups] from [groups, out], whose runs of `run` were reordered: new[k] =
// old[from(k)].
template <class From>
std::vector<float> ordered_scales(const StoredPart& part, int64_t run, const From& from) {
  const int64_t groups = part.shape[0], out = part.shape[1];
  const auto stored = floats_of(part);
  std::vector<float> scales(stored.size());
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t k = 0; k < out; ++k) {
      const int64_t o = k / run * run + from(k % run);
      scales[static_cast<size_t>(o * groups + g)] = stored[static_cast<size_t>(g * out + k)];
    }
  }
  return scales;
}

// Where word c of row r of the [rows, in / 16] matrix of positions lies among the stored words.
int64_t meta_place(int64_t r, int64_t c, int64_t rows) {
  int64_t row = 64 * (r / 64) + 2 * (r % 2) + r % 8 / 4 + 32 * (r % 32 % 4 / 2) + 4 * (r % 64 / 8);
  if (row % 2 == 0 && c % 2 == 1) {
    ++row;
    --c;
  } else if (row % 2 == 1 && c % 2 == 0) {
    --row;
    ++c;
  }
  return c / 2 * 2 * rows + 2 * row + c % 2;
}

}  // namespace

std::array<int16_t, 1024> marlin_permutation() {
  std::vector<int> order;
  for (int lane = 0; lane < 32; ++lane) {
    for (int j = 0; j < 4; ++j) {
      for (int half = 0; half < 2; ++half) {
        for (const int row : rows_of_lane(lane)) {
          order.push_back(16 * row + lane / 4 + 8 * half + 256 * j);
        }
      }
    }
  }
  return interleaved(order, 4);
}

std::array<int16_t, 1024> marlin_24_permutation(int64_t bits) {
  std::vector<int> order;
  for (int lane = 0; lane < 32; ++lane) {
    const int col = lane / 4;
    for (int j = 0; j < 4; ++j) {
      for (int half = 0; half < 2; ++half) {
        for (const int row : rows_of_lane(lane)) {
          order.push_back(16 * row + 256 * (col / 2) + 8 * (col % 2) + 4 * half + j);
        }
      }
    }
  }
  return interleaved(order, bits);
}

LinearShape marlin_shape(const MarlinLayout& layout, const StoredParts& parts) {
  const auto words = matrix_shape(part_of(parts, "B", {"I32"}), "B");
  const int64_t in = kTile * words.out_features, out = words.in_features / 2;
  require_intact(words.in_features % 2 == 0 && in % 128 == 0 && out % 256 == 0, "'B': [", out, ", ",
                 in, "] is no shape of Marlin's: inputs are a multiple of 128, outputs of 256");
  require_intact(in % group_width(in, layout.group_size) == 0, "'B': groups of ", layout.group_size,
                 " do not divide ", in, " inputs");
  part_of(parts, "s", {"F16"}, {groups_of(in, layout.group_size), out});
  return {out, in};
}

GridCodes marlin_unpack(const MarlinLayout& layout, const StoredParts& parts) {
  const LinearShape shape = marlin_shape(layout, parts);
  const int64_t out = shape.out_features, in = shape.in_features;
  GridCodes grid = GridCodes::sized(shape, 4, layout.group_size);
  const auto codes = untiled(parts.find("B")->second.bytes, in, out, 4, marlin_permutation());
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t i = 0; i < in; ++i) {
      grid.codes[static_cast<size_t>(o * in + i)] = codes[static_cast<size_t>(i * out + o)];
    }
  }
  const StoredPart& scales = parts.find("s")->second;
  constexpr std::array<int64_t, 8> kOfRow{0, 1, 8, 9, 16, 17, 24, 25};
  grid.scales = grid.num_groups > 1
                    ? ordered_scales(scales, 64, [](int64_t k) { return k / 8 + 8 * (k % 8); })
                    : ordered_scales(scales, 32, [&](int64_t k) {
                        return 2 * (k / 8) + kOfRow.at(static_cast<size_t>(k % 8));
                      });
  std::ranges::fill(grid.zeros, 8.0f);
  return grid;
}

LinearShape marlin_24_shape(const Marlin24Layout& layout, const StoredParts& parts) {
  const auto words = matrix_shape(part_of(parts, "weight_packed", {"I32"}), "weight_packed");
  const int64_t in = 2 * kTile * words.out_features, out = words.in_features * 2 / layout.bits;
  require_intact(out * layout.bits == 2 * words.in_features && out % 64 == 0,
                 "'weight_packed': ", words.in_features, " words of a row of tiles");
  require_intact(in % group_width(in, layout.group_size) == 0, "'weight_packed': groups of ",
                 layout.group_size, " do not divide ", in, " inputs");
  part_of(parts, "scale_packed", {"F16"}, {groups_of(in, layout.group_size), out});
  part_of(parts, "meta", {"I16"}, {in / 32, 2 * out});
  return {out, in};
}

GridCodes marlin_24_unpack(const Marlin24Layout& layout, const StoredParts& parts) {
  const LinearShape shape = marlin_24_shape(layout, parts);
  const int64_t out = shape.out_features, in = shape.in_features;
  GridCodes grid = GridCodes::sized(shape, layout.bits, layout.group_size);
  const auto middle = static_cast<uint8_t>(1u << (layout.bits - 1));
  std::ranges::fill(grid.codes, middle);
  std::ranges::fill(grid.zeros, static_cast<float>(middle));
  const auto kept = untiled(parts.find("weight_packed")->second.bytes, in / 2, out, layout.bits,
                            marlin_24_permutation(layout.bits));
  const auto& meta = parts.find("meta")->second.bytes;
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t quad = 0; quad < in / 4; ++quad) {
      uint16_t word = 0;
      std::memcpy(&word, meta.data() + 2 * meta_place(o, quad / 4, out), sizeof word);
      const int pair = word >> (4 * (quad % 4)) & 15, first = pair & 3, second = pair >> 2;
      require_intact(first < second, "'meta': output ", o, ", inputs ", 4 * quad, " to ",
                     4 * quad + 3, ": keeps ", first, " and ", second);
      const auto at = static_cast<size_t>(o * in + 4 * quad);
      grid.codes[at + static_cast<size_t>(first)] = kept[static_cast<size_t>(2 * quad * out + o)];
      grid.codes[at + static_cast<size_t>(second)] =
          kept[static_cast<size_t>((2 * quad + 1) * out + o)];
    }
  }
  const StoredPart& scales = parts.find("scale_packed")->second;
  constexpr std::array<int64_t, 8> kOfEight{0, 4, 1, 5, 2, 6, 3, 7};
  const bool has_groups = layout.group_size != -1;
  grid.scales = ordered_scales(scales, 64, [&](int64_t k) {
    return has_groups ? k / 8 * 8 + kOfEight.at(static_cast<size_t>(k % 8)) : k;
  });
  return grid;
}

}  // namespace assay
