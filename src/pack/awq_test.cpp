#include "pack/awq.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pack/pack_test_data.h"

namespace assay {
namespace {

using testing::HasSubstr;

// The words of AutoAWQ for these eight outputs of an input.
TEST(AwqPack, OrdersEightOutputsAsTheGemmKernelReadsThem) {
  GridCodes grid = some_grid({8, 8}, 4, -1);
  const std::vector<uint8_t> first{0, 1, 2, 3, 4, 5, 6, 7}, second{12, 0, 10, 14, 3, 7, 15, 1};
  for (size_t o = 0; o < 8; ++o) {
    grid.codes[o * 8] = first[o];
    grid.codes[o * 8 + 1] = second[o];
    grid.zeros[o] = first[o];
  }
  const auto parts = awq_pack({-1, AwqVersion::kGemm}, grid);
  EXPECT_EQ(elements_of<uint32_t>(owned(parts, "qweight"))[0], 0x75316420u);
  EXPECT_EQ(elements_of<uint32_t>(owned(parts, "qweight"))[1], 0x17E0F3ACu);
  EXPECT_EQ(elements_of<uint32_t>(owned(parts, "qzeros"))[0], 0x75316420u);
}

TEST(AwqUnpack, TakesBackWhatWasPacked) {
  for (const auto version : {AwqVersion::kGemm, AwqVersion::kGemv}) {
    for (const int64_t group_size : {-1, 32, 64, 128}) {
      const AwqLayout layout{group_size, version};
      const GridCodes grid = some_grid({40, 256}, 4, group_size);
      expect_same_grid(awq_unpack(layout, view(awq_pack(layout, grid))), grid);
    }
  }
}

// 4096 inputs: 32 groups of 128 are 4 words; 64 of 64 are 8; 128 of 32 are 16; 192 inputs: 3 groups
// of 64 are 1 word, padded to 2; 6 of 32 padded to 4.
TEST(AwqPack, PadsTheZerosOfGemv) {
  EXPECT_EQ(awq_gemv_zero_words(4096, 128), 4);
  EXPECT_EQ(awq_gemv_zero_words(4096, 64), 8);
  EXPECT_EQ(awq_gemv_zero_words(4096, 32), 16);
  EXPECT_EQ(awq_gemv_zero_words(192, 64), 2);
  EXPECT_EQ(awq_gemv_zero_words(192, 32), 4);
  const auto parts = awq_pack({64, AwqVersion::kGemv}, some_grid({8, 192}, 4, 64));
  EXPECT_EQ(owned(parts, "scales").shape, (std::vector<int64_t>{8, 16}));
}

TEST(AwqPack, RefusesWhatTheFormatCannotHold) {
  GridCodes scattered = some_grid({8, 64}, 4, 32);
  std::swap(scattered.group_of_column.front(), scattered.group_of_column.back());
  EXPECT_THAT(error_of([&] {
                awq_pack({32, AwqVersion::kGemm}, scattered);
              }),
              HasSubstr("desc_act"));
  EXPECT_THAT(why_not_awq({32, AwqVersion::kGemm}, {8, 64}, 3), HasSubstr("not 3"));
  EXPECT_THAT(why_not_awq({48, AwqVersion::kGemm}, {8, 64}, 4), HasSubstr("groups of 48"));
  EXPECT_THAT(why_not_awq({32, AwqVersion::kGemm}, {9, 64}, 4), HasSubstr("[9, 64]"));
}

TEST(AwqUnpack, NamesThePartThatDoesNotFit) {
  const auto good = awq_pack({32, AwqVersion::kGemm}, some_grid({8, 64}, 4, 32));
  auto parts = view(good);
  parts.at("qzeros").shape = {1, 1};
  EXPECT_THAT(error_of([&] {
                awq_unpack({32, AwqVersion::kGemm}, parts);
              }),
              HasSubstr("'qzeros' has shape [1, 1], expected [2, 1]"));
  EXPECT_THAT(error_of([&] {
                awq_unpack({48, AwqVersion::kGemm}, view(good));
              }),
              HasSubstr("groups of 48 do not divide 64 inputs"));
}

}  // namespace
}  // namespace assay
