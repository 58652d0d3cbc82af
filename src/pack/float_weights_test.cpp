// FP8 and FP4 weights.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pack/float4.h"
#include "pack/float8.h"
#include "pack/pack_test_data.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<float> values_of(const Float8Layout& layout, const OwnedParts& parts) {
  const auto shape = float8_shape(layout, view(parts));
  std::vector<float> values(static_cast<size_t>(shape.out_features * shape.in_features));
  float8_values(layout, view(parts), values);
  return values;
}

// By hand: 0x38 is 1, 0xC0 is -2; the tile of column 2 starts a new scale, as does row 2.
TEST(Float8, MultipliesByTheScaleOfTheTile) {
  const std::vector<uint8_t> codes{0x38, 0x38, 0xC0, 0x38, 0x38, 0xC0, 0xC0, 0xC0, 0x38};
  const std::vector<float> scales{1, 10, 100, 1000};
  const OwnedParts parts{make_part<uint8_t>("weight", "F8_E4M3", {3, 3}, codes),
                         make_part<float>("weight_scale_inv", "F32", {2, 2}, scales)};
  EXPECT_THAT(values_of({"weight_scale_inv", {2, 2}}, parts),
              ElementsAre(1, 1, -20, 1, 1, -20, -200, -200, 1000));
  auto bad = parts;
  owned(bad, "weight_scale_inv").shape = {1, 4};
  EXPECT_THAT(error_of([&] {
                values_of({"weight_scale_inv", {2, 2}}, bad);
              }),
              HasSubstr("'weight_scale_inv' has shape [1, 4], expected [2, 2]"));
}

// Largest 4.48 a row: the step is 0.01, and every weight a multiple that E4M3 has.
TEST(Float8, RoundsToTheNearestCodeUnderTheLargestOfARow) {
  const std::vector<float> weight{4.48f, -0.08f, 0.0f, 1.12f, 0, 0, 0, 0};
  const auto parts =
      float8_parts("weight_scale", float8_rounded({2, 4}, weight, {1, -1}, "F8_E4M3"), {2, 1});
  EXPECT_THAT(elements_of<uint8_t>(owned(parts, "weight")),
              ElementsAre(0x7E, 0xD0, 0, 0x6E, 0, 0, 0, 0));
  const auto values = values_of({"weight_scale", {1, -1}}, parts);
  for (size_t i = 0; i < weight.size(); ++i) EXPECT_NEAR(values[i], weight[i], 1e-6);
}

// Codes stay what they are where every block of the new layout has one scale.
TEST(Float8, ScalesOfLargerBlocksServeSmallerOnes) {
  const std::vector<float> weight{4.48f, -0.08f, 0.0f, 1.12f, 1, 2, 3, 4};
  const auto tensor = float8_rounded({2, 4}, weight, {-1, -1}, "F8_E4M3");
  const auto rows = with_blocks(tensor.scales, tensor.shape, {1, -1});
  ASSERT_TRUE(rows);
  EXPECT_THAT(rows->values, ElementsAre(tensor.scales.values[0], tensor.scales.values[0]));
  EXPECT_EQ(with_blocks(*rows, tensor.shape, {-1, -1})->values, tensor.scales.values);
  const auto by_row = float8_rounded({2, 4}, weight, {1, -1}, "F8_E4M3");
  EXPECT_FALSE(with_blocks(by_row.scales, by_row.shape, {128, 128}));
  EXPECT_TRUE(with_blocks(by_row.scales, by_row.shape, {1, 2}));
}

// The worked example of the NVFP4 layout: largest of the tensor 1, of the group 1.
TEST(Float4, PacksAGroupAsCompressedTensorsDoes) {
  std::vector<float> weight{.5f, -1, .2f, .8f, -.3f, .4f, .9f, -.1f};
  weight.resize(16);
  const auto parts = float4_pack(Float4Kind::kNvfp4, {1, 16}, weight);
  EXPECT_THAT(elements_of<uint8_t>(owned(parts, "weight_packed")),
              ElementsAre(0xf5, 0x62, 0x4c, 0x97, 0, 0, 0, 0));
  EXPECT_THAT(elements_of<uint8_t>(owned(parts, "weight_scale")), ElementsAre(0x7E));
  EXPECT_THAT(elements_of<float>(owned(parts, "weight_global_scale")), ElementsAre(2688));
  std::vector<float> values(16);
  float4_values(Float4Kind::kNvfp4, view(parts), values);
  EXPECT_FLOAT_EQ(values[0], 0.5f);
  EXPECT_FLOAT_EQ(values[1], -1.0f);
  EXPECT_FLOAT_EQ(values[7], -.5f / 6);
}

// The other convention stores the reciprocal of the tensor's scale under another name.
TEST(Float4, ReadsBothConventionsOfTheTensorsScale) {
  const std::vector<uint8_t> codes(8, 0x21), scales{0x40};  // codes 1 and 2: 0.5 and 1; scale 2
  const std::vector<float> quarter{0.25}, four{4};
  const OwnedParts model_opt{make_part<uint8_t>("weight", "U8", {1, 8}, codes),
                             make_part<uint8_t>("weight_scale", "F8_E4M3", {1, 1}, scales),
                             make_part<float>("weight_scale_2", "F32", {}, quarter)};
  const OwnedParts divided{make_part<uint8_t>("weight_packed", "U8", {1, 8}, codes),
                           make_part<uint8_t>("weight_scale", "F8_E4M3", {1, 1}, scales),
                           make_part<float>("weight_global_scale", "F32", {1}, four)};
  std::vector<float> a(16), b(16);
  float4_values(Float4Kind::kNvfp4ModelOpt, view(model_opt), a);
  float4_values(Float4Kind::kNvfp4, view(divided), b);
  EXPECT_EQ(a, b);
  EXPECT_EQ(a[0], 0.25f);
  EXPECT_EQ(a[1], 0.5f);
}

// Largest 5: exponent 2, so the scale is 2^0 and 5 rounds to 4 (a tie goes to even), 3 stays.
TEST(Float4, TakesPowersOfTwoInMxfp4) {
  std::vector<float> weight(32);
  weight[0] = 5;
  weight[1] = -3;
  const auto parts = float4_pack(Float4Kind::kMxfp4, {1, 32}, weight);
  EXPECT_THAT(elements_of<uint8_t>(owned(parts, "weight_scale")), ElementsAre(127));
  EXPECT_EQ(elements_of<uint8_t>(owned(parts, "weight_packed"))[0], 0xD6);
  std::vector<float> values(32);
  float4_values(Float4Kind::kMxfp4, view(parts), values);
  EXPECT_EQ(values[0], 4);
  EXPECT_EQ(values[1], -3);
}

}  // namespace
}  // namespace assay
