#pragma once
// Floating-point formats of 4, 8 and 16 bits: sign, exponent, mantissa, with subnormals. Values of
// all of them are float32 values.

#include <cstdint>
#include <string_view>

namespace assay {

struct SmallFloat {
  std::string_view name;  // as safetensors files spell it
  int exponent_bits, mantissa_bits, bias;
  uint32_t max_finite;  // bits of the largest value, without sign
  // Above max_finite: infinity, then NaNs (as IEEE); one NaN (E4M3, "FN"); the only NaN is the bits
  // of -0 and there is no -0 ("FNUZ"); nothing (E2M1).
  enum class Specials { kIeee, kOneNan, kNegativeZeroIsNan, kNone } specials;
};

// "F16", "BF16", "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F4" (E2M1).
// Error(kCorruptFile) on another name.
const SmallFloat& small_float(std::string_view name);

float to_float(const SmallFloat& format, uint32_t bits);
float largest(const SmallFloat& format);

// Nearest, half to even; what lies beyond the largest value becomes the largest. x must not be NaN.
uint32_t from_float(const SmallFloat& format, float x);
// Whether x rounds to a finite value without being cut.
bool fits(const SmallFloat& format, float x);

// E8M0: 2^(bits - 127); NaN for 255.
float e8m0_to_float(uint8_t bits);

}  // namespace assay
