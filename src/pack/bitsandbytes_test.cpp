#include "pack/bitsandbytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/json.h"
#include "pack/pack_test_data.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<float> kNf4{-1.0f,
                              -0.6961928009986877f,
                              -0.5250730514526367f,
                              -0.39491748809814453f,
                              -0.28444138169288635f,
                              -0.18477343022823334f,
                              -0.09105003625154495f,
                              0.0f,
                              0.07958029955625534f,
                              0.16093020141124725f,
                              0.24611230194568634f,
                              0.33791524171829224f,
                              0.44070982933044434f,
                              0.5626170039176941f,
                              0.7229568362236023f,
                              1.0f};

// One block of eight weights whose largest is 1, as bitsandbytes packs .5 -1 .2 .8 -.3 .4 .9 -.1.
FourBitCodes eight_weights() {
  FourBitCodes packed;
  packed.state.shape = {2, 4};
  packed.codes = {0xC0, 0x9E, 0x4C, 0xF6};
  packed.absmax = {1};
  packed.quant_map = kNf4;
  return packed;
}

TEST(FourBit, HoldsTheFirstOfTwoCodesInTheHighNibble) {
  std::vector<float> values(8);
  four_bit_values(eight_weights(), values);
  EXPECT_THAT(values, ElementsAre(kNf4[12], -1, kNf4[9], kNf4[14], kNf4[4], kNf4[12], 1, kNf4[6]));
}

TEST(FourBit, RoundsValuesToTheDtypeOfItsState) {
  FourBitCodes packed = eight_weights();
  packed.state.dtype = "bfloat16";
  std::vector<float> values(8);
  four_bit_values(packed, values);
  EXPECT_EQ(values[0], 0.44140625f);  // 0.44071 between 0.439453125 and 0.44140625
}

TEST(FourBit, TakesBackWhatWasPacked) {
  FourBitCodes packed = eight_weights();
  packed.state.nested = NestedScales{256, 0.5};
  packed.absmax.clear();
  packed.absmax_codes = {2};
  packed.nested_absmax = {0.25};
  packed.nested_quant_map.assign(256, 0);
  packed.nested_quant_map[2] = 1;  // scale 1 * 0.25 + 0.5
  const auto parts = four_bit_pack(packed);
  EXPECT_EQ(four_bit_shape(view(parts)), (LinearShape{2, 4}));
  const auto back = four_bit_unpack(view(parts));
  EXPECT_EQ(back.codes, packed.codes);
  EXPECT_EQ(to_json_text(back.state), to_json_text(packed.state));
  std::vector<float> values(8);
  four_bit_values(back, values);
  EXPECT_EQ(values[1], -0.75f);
}

TEST(FourBit, TakesBytesOfAnyStorageType) {
  auto parts = four_bit_pack(eight_weights());
  OwnedPart& weight = owned(parts, "weight");
  weight.dtype = dtype_named("BF16");
  weight.shape = {2, 1};
  std::vector<float> values(8);
  four_bit_values(four_bit_unpack(view(parts)), values);
  EXPECT_EQ(values[1], -1);
}

// The text that bitsandbytes itself writes.
TEST(QuantState, IsWrittenAsPythonDoes) {
  QuantState state{"nf4", 64, "bfloat16", {4096, 4096}, NestedScales{256, 0.0123}};
  const std::string text =
      R"({"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [4096, 4096], )"
      R"("nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.0123})";
  EXPECT_EQ(to_json_text(state), text);
  EXPECT_EQ(to_json_text(parse_quant_state(text)), text);
  state.nested.reset();
  EXPECT_EQ(to_json_text(parse_quant_state(to_json_text(state))), to_json_text(state));
}

TEST(QuantState, NamesTheFieldThatIsWrong) {
  const auto error_for = [](std::string_view json) {
    return error_of([&] { parse_quant_state(json); });
  };
  EXPECT_THAT(error_for(R"({"quant_type": "nf5", "blocksize": 64})"),
              HasSubstr("quant_type 'nf5'"));
  EXPECT_THAT(error_for(R"({"quant_type": "nf4", "blocksize": 0})"), HasSubstr("'blocksize'"));
  EXPECT_THAT(error_for(R"({"quant_type": "nf4", "blocksize": 64, "dtype": "int8"})"),
              HasSubstr("dtype 'int8'"));
  EXPECT_THAT(
      error_for(R"({"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [3]})"),
      HasSubstr("'shape'"));
  EXPECT_THAT(error_for(R"({"quant_typ": "nf4"})"), HasSubstr("quant_type"));
  EXPECT_THAT(error_for("[1"), HasSubstr("quant_state"));
}

TEST(FourBit, NamesThePartThatDoesNotFit) {
  auto parts = four_bit_pack(eight_weights());
  owned(parts, "weight.absmax").shape = {2};
  EXPECT_THAT(error_of([&] { four_bit_unpack(view(parts)); }),
              HasSubstr("'weight.absmax' has shape [2], expected [1]"));
  owned(parts, "weight.absmax").shape = {1};
  OwnedPart second = owned(parts, "weight.quant_state.bitsandbytes__nf4");
  second.name = "weight.quant_state.bitsandbytes__fp4";
  parts.push_back(second);
  EXPECT_THAT(error_of([&] { four_bit_unpack(view(parts)); }), HasSubstr("two states"));
  parts.pop_back();
  owned(parts, "weight").bytes.pop_back();
  EXPECT_THAT(error_of([&] { four_bit_unpack(view(parts)); }), HasSubstr("'weight' has 3 bytes"));
}

TEST(EightBit, ScalesACodeByTheLargestOfItsRowOver127) {
  const std::vector<int8_t> codes{64, -127, 25, 102, 127, 0, 0, -1};
  const std::vector<float> absmax{1, 254};
  const auto parts = int8_pack({{2, 4}, codes, absmax});
  std::vector<float> values(8);
  grid_values(grid_of_rows(int8_unpack(view(parts))), values);
  const float step = 1.0f / 127;
  EXPECT_THAT(values, ElementsAre(64 * step, -127 * step, 25 * step, 102 * step, 254, 0, 0, -2));
  auto tiled = parts;
  owned(tiled, "weight_format").bytes[0] = std::byte{1};
  EXPECT_THAT(error_of([&] { int8_unpack(view(tiled)); }), HasSubstr("'weight_format' is 1"));
}

}  // namespace
}  // namespace assay
