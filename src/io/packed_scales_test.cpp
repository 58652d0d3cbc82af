#include "io/packed_scales.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>

namespace assay {
namespace {

std::string hex(const std::array<std::byte, 12>& bytes) {
  std::string text;
  for (const std::byte b : bytes) {
    text += "0123456789abcdef"[static_cast<int>(b) >> 4];
    text += "0123456789abcdef"[static_cast<int>(b) & 15];
  }
  return text;
}

TEST(PackedScales, OfQ4KAndQ5K) {
  const std::array scale{1, 2, 3, 4, 17, 34, 51, 63}, minimum{5, 6, 7, 8, 16, 33, 48, 62};
  std::array<ScaleAndMinimum, 8> scales{};
  for (size_t j = 0; j < 8; ++j) scales[j] = {scale[j], minimum[j]};
  std::array<std::byte, 12> packed;
  pack_scales_and_minima(scales, packed.data());
  EXPECT_EQ(hex(packed), "4182c3c44586c7c8011203ef");
}

TEST(PackedScales, OfQ3K) {
  const std::array scales{-32, -16, 0, 15, 31, 1, -1, 7, -31, 2, -2, 30, 16, -17, 5, -5};
  std::array<std::byte, 12> packed;
  pack_q3_scales(scales, packed.data());
  EXPECT_EQ(hex(packed), "1020e0ef0ff15fb7cc29967a");
}

TEST(PackedScales, ComeBack) {
  std::mt19937 random(1);
  for (int round = 0; round < 100; ++round) {
    std::array<ScaleAndMinimum, 8> scales{};
    std::array<int, 16> q3{};
    for (auto& [scale, minimum] : scales) {
      scale = static_cast<int>(random() % 64), minimum = static_cast<int>(random() % 64);
    }
    for (int& scale : q3) scale = static_cast<int>(random() % 64) - 32;
    std::array<std::byte, 12> packed;
    pack_scales_and_minima(scales, packed.data());
    for (size_t j = 0; j < 8; ++j) {
      ASSERT_EQ(scale_and_minimum(packed.data(), j).scale, scales[j].scale);
      ASSERT_EQ(scale_and_minimum(packed.data(), j).minimum, scales[j].minimum);
    }
    pack_q3_scales(q3, packed.data());
    for (size_t j = 0; j < 16; ++j) ASSERT_EQ(q3_scale(packed.data(), j), q3[j]);
  }
}

}  // namespace
}  // namespace assay
