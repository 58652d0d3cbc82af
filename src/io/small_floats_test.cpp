#include "io/small_floats.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace assay {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(Halves, ByHand) {
  EXPECT_EQ(half_to_float(0x3c00), 1.0f);
  EXPECT_EQ(half_to_float(0xc000), -2.0f);
  EXPECT_EQ(half_to_float(0x7bff), 65504.0f);
  EXPECT_EQ(half_to_float(0x0001), 0x1p-24f);
  EXPECT_EQ(half_to_float(0x03ff), 0x1p-14f - 0x1p-24f);
  EXPECT_EQ(half_to_float(0x7c00), kInfinity);
  EXPECT_EQ(half_to_float(0xfc00), -kInfinity);
  EXPECT_TRUE(std::isnan(half_to_float(0x7e01)));
  EXPECT_TRUE(std::signbit(half_to_float(0x8000)));
  EXPECT_EQ(float_to_half(65519.0f), 0x7bff);
  EXPECT_EQ(float_to_half(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_half(-1e30f), 0xfc00);
  EXPECT_EQ(float_to_half(1e-30f), 0);
  EXPECT_EQ(float_to_half(NAN) & 0x7fff, 0x7e00);
}

// Every half comes back, and what lies between two goes to the nearer one, halfway to the even one.
TEST(Halves, RoundToTheNearest) {
  for (uint32_t half = 0; half < 0x7c00; ++half) {
    const auto bits = static_cast<uint16_t>(half);
    const float value = half_to_float(bits);
    ASSERT_EQ(float_to_half(value), bits);
    ASSERT_EQ(float_to_half(-value), bits | 0x8000);
    if (half == 0x7bff) continue;
    const float next = half_to_float(static_cast<uint16_t>(bits + 1)), middle = (value + next) / 2;
    ASSERT_EQ(float_to_half(middle), bits + (bits & 1));
    ASSERT_EQ(float_to_half(std::nextafter(middle, 0.0f)), bits);
    ASSERT_EQ(float_to_half(std::nextafter(middle, kInfinity)), bits + 1);
  }
}

TEST(Bfloat16, RoundsToEven) {
  EXPECT_EQ(bfloat16_to_float(0x3f80), 1.0f);
  EXPECT_EQ(float_to_bfloat16(1.0f + 0x1p-8f), 0x3f80);             // halfway: even below
  EXPECT_EQ(float_to_bfloat16(1.0f + 3 * 0x1p-8f), 0x3f82);         // halfway: even above
  EXPECT_EQ(float_to_bfloat16(1.0f + 0x1p-8f + 0x1p-20f), 0x3f81);  // more than half
  EXPECT_EQ(float_to_bfloat16(-kInfinity), 0xff80);
  EXPECT_TRUE(std::isnan(bfloat16_to_float(float_to_bfloat16(NAN))));
}

// 448 = 0x7e is the largest; between 240 and 256 the carry jumps there too, as in ggml.
TEST(UnsignedE4m3, IsThatOfGgml) {
  EXPECT_EQ(unsigned_e4m3_to_float(0x7e), 448.0f);
  EXPECT_EQ(unsigned_e4m3_to_float(0x7f), 0.0f);
  EXPECT_EQ(unsigned_e4m3_to_float(0x38), 1.0f);
  EXPECT_EQ(unsigned_e4m3_to_float(0x01), 0x1p-9f);
  for (uint8_t bits = 0; bits < 0x78; ++bits) {
    ASSERT_EQ(float_to_unsigned_e4m3(unsigned_e4m3_to_float(bits)), bits);
  }
  EXPECT_EQ(float_to_unsigned_e4m3(247.9f), 0x77);
  EXPECT_EQ(float_to_unsigned_e4m3(248.0f), 0x7e);
  EXPECT_EQ(float_to_unsigned_e4m3(256.0f), 0x7e);
  EXPECT_EQ(float_to_unsigned_e4m3(1.0625f), 0x39);  // half goes up
  EXPECT_EQ(float_to_unsigned_e4m3(0x1p-11f), 0);
  EXPECT_EQ(float_to_unsigned_e4m3(-1.0f), 0);
}

}  // namespace
}  // namespace assay
