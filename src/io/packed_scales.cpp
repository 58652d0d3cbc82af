#include "io/packed_scales.h"

#include <algorithm>

namespace assay {
namespace {

void put_bits(std::byte& byte, int bits, size_t shift) {
  byte |= static_cast<std::byte>(bits << shift);
}

}  // namespace

ScaleAndMinimum scale_and_minimum(const std::byte* packed, size_t j) {
  const auto at = [&](size_t i) { return static_cast<int>(packed[i]); };
  if (j < 4) return {at(j) & 63, at(j + 4) & 63};
  return {(at(j + 4) & 15) | (at(j - 4) >> 6 << 4), (at(j + 4) >> 4) | (at(j) >> 6 << 4)};
}

void pack_scales_and_minima(std::span<const ScaleAndMinimum, 8> scales, std::byte* packed) {
  std::fill_n(packed, 12, std::byte{0});
  for (size_t j = 0; j < 4; ++j) {
    put_bits(packed[j], scales[j].scale, 0);
    put_bits(packed[j + 4], scales[j].minimum, 0);
  }
  for (size_t j = 4; j < 8; ++j) {
    const auto [scale, minimum] = scales[j];
    put_bits(packed[j + 4], (scale & 15) | (minimum & 15) << 4, 0);
    put_bits(packed[j - 4], scale >> 4, 6);
    put_bits(packed[j], minimum >> 4, 6);
  }
}

int q3_scale(const std::byte* packed, size_t j) {
  const auto at = [&](size_t i) { return static_cast<int>(packed[i]); };
  const int four = j < 8 ? at(j) & 15 : at(j - 8) >> 4;
  return (four | (at(8 + j % 4) >> (2 * (j / 4)) & 3) << 4) - 32;
}

void pack_q3_scales(std::span<const int, 16> scales, std::byte* packed) {
  std::fill_n(packed, 12, std::byte{0});
  for (size_t j = 0; j < 16; ++j) {
    const int stored = scales[j] + 32;
    put_bits(packed[j % 8], stored & 15, j < 8 ? 0 : 4);
    put_bits(packed[8 + j % 4], stored >> 4, 2 * (j / 4));
  }
}

}  // namespace assay
