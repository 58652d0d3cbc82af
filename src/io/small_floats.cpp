#include "io/small_floats.h"

#include <algorithm>
#include <cmath>

namespace assay {

float unsigned_e4m3_to_float(uint8_t bits) {
  if (bits == 0x7f) return 0;
  const int exponent = (bits >> 3) & 15, mantissa = bits & 7;
  return exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -9)
                       : std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
}

uint8_t float_to_unsigned_e4m3(float value) {
  constexpr uint8_t kMost = 0x7e;
  if (!(value > 0)) return 0;
  if (value >= 0x1p8f) return kMost;
  if (value < 0x1p-6f)
    return static_cast<uint8_t>(std::min(7, static_cast<int>(value * 512 + 0.5f)));
  // The mantissa's three highest bits and the next one, which rounds; a carry runs into the
  // exponent.
  const uint32_t rounded = (std::bit_cast<uint32_t>(value) + (1u << 19)) >> 20;
  const uint32_t e4m3 = rounded - ((127u - 7u) << 3);
  return e4m3 < 0x78 ? static_cast<uint8_t>(e4m3) : kMost;
}

}  // namespace assay
