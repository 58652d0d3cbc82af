#pragma once
// Floats of 16 and 8 bits. To float32 is exact; from float32 is to nearest.

#include <bit>
#include <cstdint>

namespace assay {

// IEEE half. Shifting the exponent and mantissa into place gives a value too small by 2^112,
// subnormals included; multiplying puts that right exactly. Infinity and NaN come out with a finite
// exponent, which is then set to all ones.
inline float half_to_float(uint16_t half) {
  const float magnitude = std::bit_cast<float>((half & 0x7fffu) << 13) * 0x1p112f;
  const uint32_t special = magnitude >= 65536.0f ? 0x7f800000u : 0u;
  const uint32_t sign = (half & 0x8000u) << 16;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | special | sign);
}

// Ties to even; from 65520 on infinity. Adding 0.5 to a magnitude below 2^-14 leaves its multiple
// of 2^-24 in the low bits.
inline uint16_t float_to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), magnitude = bits & 0x7fffffffu;
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t subnormal =
      std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
  const uint32_t normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  const uint32_t special = magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u;
  const uint32_t half = magnitude < 0x38800000u ? subnormal : normal < 0x7c00u ? normal : special;
  return static_cast<uint16_t>(sign | half);
}

// The upper half of a float32.
inline float bfloat16_to_float(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

// Ties to even; a NaN becomes a quiet one.
inline uint16_t float_to_bfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
  const uint32_t rounded = is_nan ? bits | 0x400000u : bits + 0x7fffu + ((bits >> 16) & 1u);
  return static_cast<uint16_t>(rounded >> 16);
}

// E4M3 without sign, the scales of NVFP4 as ggml writes them: half goes up, from 2^8 on it is 448
// (not the nearest), and 0x7f is 0.
float unsigned_e4m3_to_float(uint8_t bits);
uint8_t float_to_unsigned_e4m3(float value);

}  // namespace assay
