#include "pack/compressed_tensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pack/pack_test_data.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

uint32_t first_word(int64_t bits, const std::vector<int>& integers, Straddling straddling) {
  GridCodes grid = some_grid({1, static_cast<int64_t>(integers.size())}, bits, -1);
  for (size_t i = 0; i < integers.size(); ++i) {
    grid.codes[i] = static_cast<uint8_t>(integers[i] + (1 << (bits - 1)));
  }
  std::ranges::fill(grid.zeros, static_cast<float>(1 << (bits - 1)));
  const auto parts = ct_integer_pack({bits, {1, -1}, true, true}, grid, "F32", straddling);
  return elements_of<uint32_t>(owned(parts, "weight_packed"))[0];
}

TEST(PackQuantized, StoresIntegersWithTheirOffset) {
  EXPECT_EQ(first_word(4, {-8, -1, 0, 7, 3, -4, 5, -2}, Straddling::kNever), 0x6D4BF870u);
  EXPECT_EQ(first_word(3, {-4, -3, -2, -1, 0, 1, 2, 3, -4, 3}, Straddling::kNever), 0x38FAC688u);
  EXPECT_EQ(first_word(8, {-128, -1, 0, 127}, Straddling::kNever), 0xFF807F00u);
}

TEST(PackQuantized, TakesBackWhatWasPacked) {
  for (int64_t bits = 1; bits <= 8; ++bits) {
    for (const int64_t group_size : {-1, 32}) {
      for (const bool is_packed : {true, false}) {
        for (const auto straddling : {Straddling::kNever, Straddling::kStream}) {
          SCOPED_TRACE(testing::Message() << bits << " bits, groups of " << group_size);
          const CtInteger layout{bits, {1, group_size}, false, is_packed};
          GridCodes grid = some_grid({64, 64}, bits, group_size);
          std::swap(grid.group_of_column.front(), grid.group_of_column.back());
          const auto parts = ct_integer_pack(layout, grid, "F16", straddling);
          expect_same_grid(ct_integer_unpack(layout, view(parts)), grid);
        }
      }
    }
  }
}

// value = (code - zero) * scale by hand, one scale for two rows and two columns each.
TEST(IntQuantized, ReadsScalesOfTiles) {
  const std::vector<int8_t> codes{1, 2, 3, 4, -1, -2, -3, -4};
  const std::vector<float> scales{2, 10};
  OwnedParts parts{make_part<int8_t>("weight", "I8", {2, 4}, codes),
                   make_part<float>("weight_scale", "F32", {1, 2}, scales)};
  const CompressedTensorsLayout layout{CtInteger{8, {2, 2}, true, false}, SparseFormat::kNone};
  std::vector<float> values(8);
  compressed_tensors_values(layout, view(parts), values);
  EXPECT_THAT(values, ElementsAre(2, 4, 30, 40, -2, -4, -30, -40));
}

TEST(IntQuantized, MayBeSparseAsWell) {
  const std::vector<int8_t> codes{0, 2, 3, 0, -1, 0, 0, -4};
  const std::vector<float> scales{0.5, 2};
  const auto weight = make_part<int8_t>("weight", "I8", {2, 4}, codes);
  auto parts = sparse_pack(SparseFormat::k24Bitmask, {weight.dtype, weight.shape, weight.bytes});
  parts.push_back(make_part<float>("weight_scale", "F32", {2, 1}, scales));
  const CompressedTensorsLayout layout{CtInteger{8, {1, -1}, true, false},
                                       SparseFormat::k24Bitmask};
  EXPECT_EQ(compressed_tensors_shape(layout, view(parts)), (LinearShape{2, 4}));
  std::vector<float> values(8);
  compressed_tensors_values(layout, view(parts), values);
  EXPECT_THAT(values, ElementsAre(0, 1, 1.5, 0, -2, 0, 0, -8));
}

TEST(PackQuantized, NamesThePartThatDoesNotFit) {
  const CtInteger layout{4, {1, 32}, false, true};
  const auto good = ct_integer_pack(layout, some_grid({8, 64}, 4, 32), "F32", Straddling::kNever);
  const auto error_with = [&](const std::function<void(OwnedParts&)>& change) {
    auto bad = good;
    change(bad);
    return error_of([&] { ct_integer_unpack(layout, view(bad)); });
  };
  EXPECT_EQ(error_with([](OwnedParts&) {}), "no error");
  EXPECT_THAT(error_with([](OwnedParts& p) { owned(p, "weight_shape").bytes[8] = std::byte{96}; }),
              HasSubstr("'weight_packed' has 8 words for 96 codes of 4 bits, expected 12"));
  EXPECT_THAT(error_with([](OwnedParts& p) {
                owned(p, "weight_scale").shape = {8, 1};
              }),
              HasSubstr("'weight_scale' has shape [8, 1], expected [8, 2]"));
  EXPECT_THAT(error_with([](OwnedParts& p) { owned(p, "weight_zero_point").name = "x"; }),
              HasSubstr("'weight_zero_point' is missing"));
  GridCodes asymmetric = some_grid({8, 64}, 4, 32);
  EXPECT_THAT(error_of([&] {
                ct_integer_pack({4, {1, 32}, true, true}, asymmetric, "F32", Straddling::kNever);
              }),
              HasSubstr("symmetric layout"));
}

// Twenty 3-bit codes take two words whether or not they cross, and lie differently.
TEST(PackQuantized, RefusesWhatMayBeReadTwoWays) {
  GridCodes grid = some_grid({1, 20}, 3, -1);
  const CtInteger layout{3, {1, -1}, true, true};
  std::ranges::fill(grid.zeros, 4.0f);
  const auto parts = ct_integer_pack(layout, grid, "F32", Straddling::kNever);
  EXPECT_THAT(error_of([&] { ct_integer_unpack(layout, view(parts)); }),
              HasSubstr("may or may not cross words"));
}

}  // namespace
}  // namespace assay
