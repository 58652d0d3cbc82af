#include "pack/small_float.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace assay {
namespace {

using Specials = SmallFloat::Specials;

constexpr std::array kFormats{
    SmallFloat{"F16", 5, 10, 15, 0x7bff, Specials::kIeee},
    SmallFloat{"BF16", 8, 7, 127, 0x7f7f, Specials::kIeee},
    SmallFloat{"F8_E4M3", 4, 3, 7, 0x7e, Specials::kOneNan},
    SmallFloat{"F8_E5M2", 5, 2, 15, 0x7b, Specials::kIeee},
    SmallFloat{"F8_E4M3FNUZ", 4, 3, 8, 0x7f, Specials::kNegativeZeroIsNan},
    SmallFloat{"F8_E5M2FNUZ", 5, 2, 16, 0x7f, Specials::kNegativeZeroIsNan},
    SmallFloat{"F4", 2, 1, 1, 0x7, Specials::kNone},
};

uint32_t sign_bit(const SmallFloat& format) {
  return 1u << (format.exponent_bits + format.mantissa_bits);
}

// Subnormals have the exponent of the smallest normal values and no leading one, so that magnitude
// bits count up in equal steps between powers of two: bits = (e + bias - 1) 2^m + |x| / 2^(e - m).
double magnitude(const SmallFloat& format, uint32_t bits) {
  const int field = static_cast<int>(bits >> format.mantissa_bits);
  const uint32_t leading = field > 0 ? 1u << format.mantissa_bits : 0;
  const uint32_t mantissa = (bits & ((1u << format.mantissa_bits) - 1)) | leading;
  return std::ldexp(mantissa, std::max(field, 1) - format.bias - format.mantissa_bits);
}

uint64_t magnitude_bits(const SmallFloat& format, float x) {
  const double size = std::abs(static_cast<double>(x));
  if (size == 0) return 0;
  const int exponent = std::max(std::ilogb(size), 1 - format.bias);
  const double steps = std::nearbyint(std::ldexp(size, format.mantissa_bits - exponent));
  return (static_cast<uint64_t>(exponent + format.bias - 1) << format.mantissa_bits) +
         static_cast<uint64_t>(steps);
}

}  // namespace

const SmallFloat& small_float(std::string_view name) {
  const auto found = std::ranges::find(kFormats, name, &SmallFloat::name);
  require_intact(found != kFormats.end(), "type ", name, " is no float of 16 bits or fewer");
  return *found;
}

float to_float(const SmallFloat& format, uint32_t bits) {
  const uint32_t sign = bits & sign_bit(format), size = bits & (sign_bit(format) - 1);
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  if (format.specials == Specials::kNegativeZeroIsNan && sign != 0 && size == 0) return kNan;
  if (size > format.max_finite) {
    const bool is_infinite = format.specials == Specials::kIeee && size == format.max_finite + 1;
    if (!is_infinite) return kNan;
    return sign != 0 ? -std::numeric_limits<float>::infinity()
                     : std::numeric_limits<float>::infinity();
  }
  const auto value = static_cast<float>(magnitude(format, size));
  return sign != 0 ? -value : value;
}

float largest(const SmallFloat& format) { return to_float(format, format.max_finite); }

uint32_t from_float(const SmallFloat& format, float x) {
  const auto size =
      std::isinf(x)
          ? format.max_finite
          : static_cast<uint32_t>(std::min<uint64_t>(magnitude_bits(format, x), format.max_finite));
  const bool has_negative_zero = format.specials != Specials::kNegativeZeroIsNan;
  const bool is_negative = std::signbit(x) && (size != 0 || has_negative_zero);
  return size | (is_negative ? sign_bit(format) : 0);
}

bool fits(const SmallFloat& format, float x) {
  return std::isfinite(x) && magnitude_bits(format, x) <= format.max_finite;
}

float e8m0_to_float(uint8_t bits) {
  if (bits == 255) return std::numeric_limits<float>::quiet_NaN();
  return static_cast<float>(std::ldexp(1.0, bits - 127));
}

}  // namespace assay
