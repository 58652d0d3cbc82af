#include "pack/small_float.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "io/small_floats.h"

namespace assay {
namespace {

TEST(SmallFloat, SixteenBitsAreThoseOfTheOtherDecoders) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float half = half_to_float(static_cast<uint16_t>(bits));
    const float brain = bfloat16_to_float(static_cast<uint16_t>(bits));
    if (std::isnan(half)) {
      EXPECT_TRUE(std::isnan(to_float(small_float("F16"), bits)));
    } else {
      ASSERT_EQ(to_float(small_float("F16"), bits), half) << bits;
      if (std::isfinite(half)) {
        ASSERT_EQ(from_float(small_float("F16"), half), bits);
      }
    }
    if (std::isfinite(brain)) {
      ASSERT_EQ(to_float(small_float("BF16"), bits), brain) << bits;
      ASSERT_EQ(from_float(small_float("BF16"), brain), bits);
    }
  }
}

// The OCP specification of 8-bit floats, tables 1 and 2; FNUZ as ONNX documents it.
TEST(SmallFloat, EightBitsHaveTheirDocumentedExtremes) {
  const auto& e4m3 = small_float("F8_E4M3");
  EXPECT_EQ(to_float(e4m3, 0x7E), 448);
  EXPECT_TRUE(std::isnan(to_float(e4m3, 0x7F)));
  EXPECT_EQ(to_float(e4m3, 0x01), 0x1p-9f);
  EXPECT_EQ(to_float(e4m3, 0x08), 0x1p-6f);
  EXPECT_EQ(to_float(e4m3, 0xB8), -1);
  const auto& e5m2 = small_float("F8_E5M2");
  EXPECT_EQ(to_float(e5m2, 0x7B), 57344);
  EXPECT_EQ(to_float(e5m2, 0xFC), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(to_float(e5m2, 0x7D)));
  EXPECT_EQ(to_float(e5m2, 0x01), 0x1p-16f);
  const auto& e4m3fnuz = small_float("F8_E4M3FNUZ");
  EXPECT_EQ(to_float(e4m3fnuz, 0x7F), 240);
  EXPECT_TRUE(std::isnan(to_float(e4m3fnuz, 0x80)));
  EXPECT_EQ(to_float(e4m3fnuz, 0x01), 0x1p-10f);
  EXPECT_EQ(to_float(small_float("F8_E5M2FNUZ"), 0x7F), 57344);
  EXPECT_EQ(from_float(e4m3fnuz, -0.0f), 0u);
}

TEST(SmallFloat, RoundsHalfToEvenAndStopsAtTheLargest) {
  const auto& e2m1 = small_float("F4");
  const std::array<float, 8> values{0, .5, 1, 1.5, 2, 3, 4, 6};
  for (uint32_t code = 0; code < 8; ++code) {
    EXPECT_EQ(to_float(e2m1, code), values.at(code));
    EXPECT_EQ(from_float(e2m1, -values.at(code)), code | 8u);
  }
  EXPECT_EQ(from_float(e2m1, 0.25f), 0u);
  EXPECT_EQ(from_float(e2m1, 0.75f), 2u);
  EXPECT_EQ(from_float(e2m1, 5.0f), 6u);
  EXPECT_EQ(from_float(e2m1, 100.0f), 7u);
  EXPECT_EQ(from_float(small_float("F8_E4M3"), 1000.0f), 0x7Eu);
  EXPECT_EQ(from_float(small_float("F16"), 65520.0f), 0x7BFFu);
  EXPECT_FALSE(fits(small_float("F16"), 65520.0f));
  EXPECT_TRUE(fits(small_float("F16"), 65519.0f));
}

TEST(SmallFloat, EveryFiniteCodeIsAFixedPoint) {
  for (const auto* name : {"F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ"}) {
    for (uint32_t bits = 0; bits < 256; ++bits) {
      const float value = to_float(small_float(name), bits);
      if (std::isfinite(value)) {
        EXPECT_EQ(from_float(small_float(name), value), bits) << name;
      }
    }
  }
  EXPECT_EQ(e8m0_to_float(127), 1);
  EXPECT_EQ(e8m0_to_float(0), 0x1p-127f);
  EXPECT_TRUE(std::isnan(e8m0_to_float(255)));
  EXPECT_THROW(small_float("F9"), Error);
}

}  // namespace
}  // namespace assay
