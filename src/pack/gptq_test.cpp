#include "pack/gptq.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pack/pack_test_data.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

GptqLayout layout_of(int64_t bits, int64_t group_size, StoredZero zero = StoredZero::kPlain) {
  return {bits, group_size, zero};
}

// A layer of 32 x 32 with these zeros for its first eight outputs, 8 for the rest.
GridCodes with_zeros(const std::vector<float>& first) {
  GridCodes grid = some_grid({32, 32}, 4, -1);
  std::ranges::fill(grid.zeros, 8.0f);
  std::ranges::copy(first, grid.zeros.begin());
  return grid;
}

// By hand: output 0 holds codes 0 ... 7, 12 0 10 14 3 7 15 1, ... down the inputs.
TEST(GptqPack, PutsEightInputsOfAnOutputIntoAWord) {
  GridCodes grid = some_grid({32, 32}, 4, -1);
  const std::vector<uint8_t> column{0, 1, 2, 3, 4, 5, 6, 7, 12, 0, 10, 14, 3, 7, 15, 1};
  std::ranges::copy(column, grid.codes.begin());
  const auto parts = gptq_pack(layout_of(4, -1), grid);
  const OwnedPart& qweight = owned(parts, "qweight");
  EXPECT_EQ(qweight.shape, (std::vector<int64_t>{4, 32}));
  EXPECT_EQ(elements_of<uint32_t>(qweight)[0], 0x76543210u);
  EXPECT_EQ(elements_of<uint32_t>(qweight)[32], 0x1F73EA0Cu);
}

TEST(GptqPack, StoresZerosLessOneInTheFirstVersion) {
  const auto word = [](StoredZero zero) {
    const auto parts = gptq_pack(layout_of(4, -1, zero), with_zeros({}));
    return elements_of<uint32_t>(owned(parts, "qzeros"))[0];
  };
  EXPECT_EQ(word(StoredZero::kMinusOne), 0x77777777u);
  EXPECT_EQ(word(StoredZero::kPlain), 0x88888888u);
  const auto grid = with_zeros({8, 4, 1, 15, 1, 2, 3, 7});
  const auto parts = gptq_pack(layout_of(4, -1, StoredZero::kMinusOne), grid);
  EXPECT_EQ(elements_of<uint32_t>(owned(parts, "qzeros"))[0], 0x6210E037u);
}

TEST(GptqPack, RefusesAZeroThatTheFirstVersionCannotHold) {
  const auto grid = with_zeros({8, 4, 0, 15});
  EXPECT_THAT(error_of([&] { gptq_pack(layout_of(4, -1, StoredZero::kMinusOne), grid); }),
              HasSubstr("a zero point of 0 cannot be stored in 4 bits as zero - 1"));
  EXPECT_NO_THROW(gptq_pack(layout_of(4, -1), grid));
}

// 0x6210EF37 is what zeros 8 4 0 15 1 2 3 7 become under a mask, 0xFFFFFF37 what a writer makes of
// them that ORs the unmasked -1 over the lanes above.
TEST(GptqUnpack, ReadsAFullFieldAsOneMoreThanTheLastCode) {
  auto parts = gptq_pack(layout_of(4, -1), with_zeros({}));
  const auto zeros_of_word = [&](uint32_t word, StoredZero zero) {
    std::memcpy(owned(parts, "qzeros").bytes.data(), &word, 4);
    const auto grid = gptq_unpack(layout_of(4, -1, zero), view(parts));
    return std::vector<float>(grid.zeros.begin(), grid.zeros.begin() + 8);
  };
  EXPECT_THAT(zeros_of_word(0x6210EF37, StoredZero::kMinusOne),
              ElementsAre(8, 4, 16, 15, 1, 2, 3, 7));
  EXPECT_THAT(zeros_of_word(0x6210EF37, StoredZero::kMinusOneWrapping),
              ElementsAre(8, 4, 0, 15, 1, 2, 3, 7));
  EXPECT_THAT(zeros_of_word(0x7321F048, StoredZero::kPlain), ElementsAre(8, 4, 0, 15, 1, 2, 3, 7));
  EXPECT_THAT(zeros_of_word(0xFFFFFF37, StoredZero::kMinusOne),
              ElementsAre(8, 4, 16, 16, 16, 16, 16, 16));
  EXPECT_EQ(gptq_full_zero_fields(layout_of(4, -1, StoredZero::kMinusOne), view(parts)), 6);
  EXPECT_EQ(gptq_full_zero_fields(layout_of(4, -1), view(parts)), 0);
}

TEST(GptqUnpack, TakesBackWhatWasPacked) {
  for (const int64_t bits : {2, 3, 4, 8}) {
    for (const int64_t group_size : {-1, 32, 64}) {
      for (const auto zero : {StoredZero::kPlain, StoredZero::kMinusOne}) {
        SCOPED_TRACE(testing::Message() << bits << " bits, groups of " << group_size);
        GridCodes grid = some_grid({96, 128}, bits, group_size);
        std::swap(grid.group_of_column.front(), grid.group_of_column.back());  // desc_act
        const auto layout = layout_of(bits, group_size, zero);
        expect_same_grid(gptq_unpack(layout, view(gptq_pack(layout, grid))), grid);
      }
    }
  }
}

// value = scale * (code - zero) by hand: 0.5 * (3 - 8) = -2.5 in group 1.
TEST(GridValues, AreTheScaledDistanceFromTheZero) {
  GridCodes grid = GridCodes::sized({1, 4}, 4, 2);
  grid.codes = {1, 2, 3, 9};
  grid.scales = {2, 0.5};
  grid.zeros = {0, 8};
  std::vector<float> values(4);
  grid_values(grid, values);
  EXPECT_THAT(values, ElementsAre(2, 4, -2.5, 0.5));
  grid.group_of_column = {1, 0, 0, 1};
  grid_values(grid, values);
  EXPECT_THAT(values, ElementsAre(-3.5, 4, 6, 0.5));
}

// The layer of the first 3-bit program: no qzeros, zeros times scales as floats.
TEST(GptqUnpack, ReadsTheFloatZerosOfTheOriginalLayer) {
  const auto layout = layout_of(3, -1);
  const GridCodes grid = some_grid({32, 32}, 3, -1);
  auto parts = gptq_pack(layout, grid);
  std::erase_if(parts, [](const OwnedPart& part) { return part.name == "qzeros"; });
  std::vector<float> scaled;
  for (size_t i = 0; i < grid.zeros.size(); ++i) scaled.push_back(grid.zeros[i] * grid.scales[i]);
  parts.push_back(make_part<float>("zeros", "F32", {1, 32}, scaled));
  expect_same_grid(gptq_unpack(layout, view(parts)), grid);
}

TEST(GptqUnpack, NamesThePartThatDoesNotFit) {
  const auto layout = layout_of(4, 32);
  const auto good = gptq_pack(layout, some_grid({32, 64}, 4, 32));
  const auto error_with = [&](const std::function<void(StoredParts&)>& change) {
    auto parts = view(good);
    change(parts);
    return error_of([&] { gptq_unpack(layout, parts); });
  };
  EXPECT_EQ(error_with([](StoredParts&) {}), "no error");
  EXPECT_THAT(error_with([](StoredParts& p) { p.erase("qweight"); }),
              HasSubstr("'qweight' is missing"));
  EXPECT_THAT(error_with([](StoredParts& p) {
                p.at("scales").shape = {2, 31};
              }),
              HasSubstr("'scales' has shape [2, 31], expected [2, 32]"));
  EXPECT_THAT(error_with([](StoredParts& p) { p.at("qweight").dtype = dtype_named("F32"); }),
              HasSubstr("'qweight' is F32, expected I32"));
  EXPECT_THAT(error_with([](StoredParts& p) { p.at("g_idx").shape = {63}; }),
              HasSubstr("'g_idx' has shape [63], expected [64]"));
  auto bad = good;
  const int32_t group = 2;
  std::memcpy(owned(bad, "g_idx").bytes.data() + 4, &group, 4);
  EXPECT_THAT(error_of([&] { gptq_unpack(layout, view(bad)); }),
              HasSubstr("'g_idx': input 1 is of group 2, there are 2"));
  EXPECT_THAT(error_of([&] { gptq_unpack(layout_of(3, 32), view(good)); }), HasSubstr("'qweight'"));
}

TEST(GptqPack, SaysWhatTheFormatCannotHold) {
  EXPECT_THAT(why_not_gptq(layout_of(5, 32), {32, 32}), HasSubstr("not 5"));
  EXPECT_THAT(why_not_gptq(layout_of(4, 32), {32, 48}), HasSubstr("multiples of 32, not [32, 48]"));
  EXPECT_THAT(why_not_gptq(layout_of(4, 128), {32, 192}), HasSubstr("groups of 128 do not divide"));
  EXPECT_EQ(why_not_gptq(layout_of(4, -1), {32, 192}), "");
}

}  // namespace
}  // namespace assay
