#include "pack/marlin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "pack/bit_fields.h"
#include "pack/pack_test_data.h"

namespace assay {
namespace {

using testing::ElementsAreArray;
using testing::HasSubstr;

void expect_permutation(const std::array<int16_t, 1024>& order, const std::vector<int16_t>& start) {
  EXPECT_THAT(std::vector<int16_t>(order.begin(), order.begin() + 16), ElementsAreArray(start));
  auto sorted = order;
  std::ranges::sort(sorted);
  for (int16_t k = 0; k < 1024; ++k) ASSERT_EQ(sorted.at(static_cast<size_t>(k)), k);
}

TEST(Marlin, PermutesAsItsKernelsRead) {
  expect_permutation(marlin_permutation(),
                     {0, 128, 8, 136, 16, 144, 24, 152, 256, 384, 264, 392, 272, 400, 280, 408});
  expect_permutation(marlin_24_permutation(4),
                     {0, 128, 4, 132, 16, 144, 20, 148, 1, 129, 5, 133, 17, 145, 21, 149});
  expect_permutation(marlin_24_permutation(8),
                     {0, 128, 16, 144, 4, 132, 20, 148, 1, 129, 17, 145, 5, 133, 21, 149});
}

// The forward way of the format's description, for an [in, out] matrix of codes: tiles of 16 x 16,
// runs of 1024 permuted, words.
std::vector<int32_t> tiled(const std::vector<uint8_t>& codes, int64_t rows, int64_t cols,
                           int64_t bits, const std::array<int16_t, 1024>& permutation) {
  std::vector<uint8_t> in_tiles, permuted;
  for (int64_t tile_row = 0; tile_row < rows; tile_row += 16) {
    for (int64_t tile_col = 0; tile_col < cols; tile_col += 16) {
      for (int64_t place = 0; place < 256; ++place) {
        const int64_t row = tile_row + place / 16, col = tile_col + place % 16;
        in_tiles.push_back(codes[static_cast<size_t>(row * cols + col)]);
      }
    }
  }
  for (size_t run = 0; run < in_tiles.size(); run += 1024) {
    for (const int16_t from : permutation) {
      permuted.push_back(in_tiles[run + static_cast<size_t>(from)]);
    }
  }
  std::vector<int32_t> words(permuted.size() * static_cast<size_t>(bits) / 32);
  pack_fields(permuted.data(), static_cast<int64_t>(permuted.size()), bits, Straddling::kStream,
              reinterpret_cast<std::byte*>(words.data()), 1);
  return words;
}

template <class T>
std::vector<T> transposed(const std::vector<T>& matrix, int64_t rows, int64_t cols) {
  std::vector<T> result(matrix.size());
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) {
      result[static_cast<size_t>(c * rows + r)] = matrix[static_cast<size_t>(r * cols + c)];
    }
  }
  return result;
}

TEST(Marlin, TakesBackWhatItsDescriptionPacks) {
  constexpr int64_t kOut = 256, kIn = 256;
  for (const int64_t group_size : {int64_t{128}, int64_t{-1}}) {
    GridCodes grid = some_grid({kOut, kIn}, 4, group_size);
    std::ranges::fill(grid.zeros, 8.0f);
    const int64_t groups = grid.num_groups;
    auto scales = transposed(grid.scales, kOut, groups);  // [groups, out]
    auto ordered = scales;
    const std::array<size_t, 8> of_row{0, 1, 8, 9, 16, 17, 24, 25};
    for (size_t run = 0; run<scales.size(); run += groups> 1 ? 64 : 32) {
      for (size_t i = 0; i < (groups > 1 ? 8u : 4u); ++i) {
        for (size_t k = 0; k < 8; ++k) {
          ordered[run + 8 * i + k] = scales[run + (groups > 1 ? i + 8 * k : 2 * i + of_row.at(k))];
        }
      }
    }
    const auto words = tiled(transposed(grid.codes, kOut, kIn), kIn, kOut, 4, marlin_permutation());
    OwnedParts parts{make_part<int32_t>("B", "I32", {kIn / 16, 2 * kOut}, words),
                     make_float_part("s", "F16", {groups, kOut}, ordered)};
    expect_same_grid(marlin_unpack({group_size}, view(parts)), grid);
    owned(parts, "s").shape = {groups, 128};
    EXPECT_THAT(error_of([&] { marlin_unpack({group_size}, view(parts)); }), HasSubstr("'s' has"));
  }
}

// Place of word (r, c) among the words, for 64 rows: the table of the format's description.
int64_t place_of(int64_t r, int64_t c, int64_t rows) {
  int64_t row =
      64 * (r / 64) + 2 * (r % 2) + (r % 8) / 4 + 32 * (((r % 32) % 4) / 2) + 4 * ((r % 64) / 8);
  if (row % 2 == 0 && c % 2 == 1) return (c - 1) / 2 * 2 * rows + 2 * (row + 1) + 0;
  if (row % 2 == 1 && c % 2 == 0) return (c + 1) / 2 * 2 * rows + 2 * (row - 1) + 1;
  return c / 2 * 2 * rows + 2 * row + c % 2;
}

TEST(Marlin24, PutsPositionsWhereTheTableSays) {
  const std::vector<std::array<int64_t, 2>> expected{{0, 2},   {4, 6}, {64, 66},
                                                     {68, 70}, {1, 3}, {5, 7}};
  for (size_t r = 0; r < expected.size(); ++r) {
    EXPECT_EQ(place_of(static_cast<int64_t>(r), 0, 64), expected[r][0]);
    EXPECT_EQ(place_of(static_cast<int64_t>(r), 1, 64), expected[r][1]);
  }
}

TEST(Marlin24, TakesBackWhatItsDescriptionPacks) {
  constexpr int64_t kOut = 64, kIn = 128;
  for (const int64_t bits : {4, 8}) {
    const auto middle = static_cast<uint8_t>(1 << (bits - 1));
    GridCodes grid = some_grid({kOut, kIn}, bits, -1);
    std::ranges::fill(grid.zeros, static_cast<float>(middle));
    std::vector<uint8_t> kept(static_cast<size_t>(kIn / 2 * kOut));
    std::vector<int16_t> meta(static_cast<size_t>(kIn / 32 * 2 * kOut));
    const std::array<std::array<int, 2>, 6> pairs{{{0, 1}, {0, 2}, {1, 2}, {0, 3}, {1, 3}, {2, 3}}};
    for (int64_t o = 0; o < kOut; ++o) {
      for (int64_t quad = 0; quad < kIn / 4; ++quad) {
        const auto pair = pairs.at(static_cast<size_t>((o + 3 * quad) % 6));
        for (int k = 0; k < 4; ++k) {
          uint8_t& code = grid.codes[static_cast<size_t>(o * kIn + 4 * quad + k)];
          if (k != pair[0] && k != pair[1]) code = middle;
          if (k == pair[0]) kept[static_cast<size_t>(2 * quad * kOut + o)] = code;
          if (k == pair[1]) kept[static_cast<size_t>((2 * quad + 1) * kOut + o)] = code;
        }
        auto& word = meta[static_cast<size_t>(place_of(o, quad / 4, kOut))];
        word = static_cast<int16_t>(word | (pair[0] | pair[1] << 2) << 4 * (quad % 4));
      }
    }
    const auto words = tiled(kept, kIn / 2, kOut, bits, marlin_24_permutation(bits));
    const OwnedParts parts{
        make_part<int32_t>("weight_packed", "I32", {kIn / 32, kOut * bits / 2}, words),
        make_float_part("scale_packed", "F16", {1, kOut}, grid.scales),
        make_part<int16_t>("meta", "I16", {kIn / 32, 2 * kOut}, meta)};
    expect_same_grid(marlin_24_unpack({bits, -1}, view(parts)), grid);
  }
}

}  // namespace
}  // namespace assay
