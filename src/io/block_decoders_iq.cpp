// The IQ types: 256 elements a block, points of a grid times a scale, most with a sign bit for each
// element; and the ternary types.

#include <bit>
#include <cstdint>
#include <cstring>

#include "io/block_decoders.h"
#include "io/iq_grids.h"
#include "io/small_floats.h"

namespace assay {
namespace {

constexpr size_t kSuper = 256;

template <class T>
T read(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

uint32_t byte_at(const std::byte* at) { return static_cast<uint32_t>(*at); }
float half_at(const std::byte* at) { return half_to_float(read<uint16_t>(at)); }
uint32_t nibble(const std::byte* bytes, size_t i) {
  return byte_at(bytes + i / 2) >> (4 * (i % 2)) & 15;
}

// Seven sign bits; the eighth makes the number of minus signs even.
uint32_t eight_signs(uint32_t seven) {
  return seven | (static_cast<uint32_t>(std::popcount(seven)) & 1) << 7;
}

// Points times step; bit i of `signs` negates element i.
template <size_t length>
void put_point(const std::array<int8_t, length>& point, float step, uint32_t signs, float* out) {
  for (size_t i = 0; i < length; ++i) {
    const float value = step * static_cast<float>(point[i]);
    out[i] = (signs >> i & 1) != 0 ? -value : value;
  }
}

// Points moved by an eighth times step.
void put_shifted(const std::array<int8_t, 8>& point, float step, bool is_down, float* out) {
  const float shift = is_down ? -0.125f : 0.125f;
  for (size_t i = 0; i < 8; ++i) out[i] = step * (static_cast<float>(point[i]) + shift);
}

// The digit of a ternary number (a fraction of 256): its highest, -1 .. 1.
float ternary(uint8_t number) { return static_cast<float>((number * 3 >> 8) - 1); }

}  // namespace

// {f16 d; 8 times {u8 q[4]; u32 s}}: 32 elements of 4 points q; s has 7 sign bits for each point
// and the scale above them: x = d * (1/2 + scale) / 4 * point.
void decode_iq2_xxs(const std::byte* in, float* out, size_t blocks) {
  for (size_t b = 0; b < blocks; ++b, in += 66, out += kSuper) {
    const float d = half_at(in);
    for (size_t i = 0; i < 32; ++i) {
      const std::byte* group = in + 2 + i / 4 * 8;
      const uint32_t bits = read<uint32_t>(group + 4);
      const float step = d * (0.5f + static_cast<float>(bits >> 28)) * 0.25f;
      put_point(kIq2XxsGrid[byte_at(group + i % 4)], step, eight_signs(bits >> (7 * (i % 4)) & 127),
                out + 8 * i);
    }
  }
}

// {f16 d; u16 q[32]; u8 scales[8]}: q is a point of 9 bits and 7 signs; a nibble of scale for two
// points.
void decode_iq2_xs(const std::byte* in, float* out, size_t blocks) {
  for (size_t b = 0; b < blocks; ++b, in += 74, out += kSuper) {
    const float d = half_at(in);
    for (size_t i = 0; i < 32; ++i) {
      const uint32_t q = read<uint16_t>(in + 2 + 2 * i);
      const float step = d * (0.5f + static_cast<float>(nibble(in + 66, i / 2))) * 0.25f;
      put_point(kIq2XsGrid[q & 511], step, eight_signs(q >> 9), out + 8 * i);
    }
  }
}

// {f16 d; u8 q[32]; u8 signs[32]; u8 high[8]; u8 scales[8]}: two bits of a point in `high`.
void decode_iq2_s(const std::byte* in, float* out, size_t blocks) {
  for (size_t b = 0; b < blocks; ++b, in += 82, out += kSuper) {
    const float d = half_at(in);
    for (size_t i = 0; i < 32; ++i) {
      const uint32_t high = byte_at(in + 66 + i / 4) >> (2 * (i % 4)) & 3;
      const float step = d * (0.5f + static_cast<float>(nibble(in + 74, i / 2))) * 0.25f;
      put_point(kIq2SGrid[byte_at(in + 2 + i) | high << 8], step, byte_at(in + 34 + i),
                out + 8 * i);
    }
  }
}

// {f16 d; u8 q[64]; u32 s[8]}: points of 4 elements; s as in IQ2_XXS, 7 signs for two points: x = d
// * (1/2 + scale) / 2 * point.
void decode_iq3_xxs(const std::byte* in, float* out, size_t blocks) {
  for (size_t b = 0; b < blocks; ++b, in += 98, out += kSuper) {
    const float d = half_at(in);
    for (size_t i = 0; i < 64; ++i) {
      const uint32_t bits = read<uint32_t>(in + 66 + i / 8 * 4);
      const float step = d * (0.5f + static_cast<float>(bits >> 28)) * 0.5f;
      const uint32_t signs = eight_signs(bits >> (7 * (i / 2 % 4)) & 127);
      put_point(kIq3XxsGrid[byte_at(in + 2 + i)], step, signs >> (4 * (i % 2)), out + 4 * i);
    }
  }
}

// {f16 d; u8 q[64]; u8 high[8]; u8 signs[32]; u8 scales[4]}: a bit of a point in `high`, a nibble
// of scale for 32 elements: x = d * (1 + 2 scale) * point.
void decode_iq3_s(const std::byte* in, float* out, size_t blocks) {
  for (size_t b = 0; b < blocks; ++b, in += 110, out += kSuper) {
    const float d = half_at(in);
    for (size_t i = 0; i < 64; ++i) {
      const uint32_t high = byte_at(in + 66 + i / 8) >> (i % 8) & 1;
      const float step = d * static_cast<float>(1 + 2 * nibble(in + 106, i / 8));
      put_point(kIq3SGrid[byte_at(in + 2 + i) | high << 8], step,
                byte_at(in + 74 + i / 2) >> (4 * (i % 2)), out + 4 * i);
    }
  }
}

// {f16 d; u8 q[32]; u16 h[8]}: h has three bits for each of 4 points, the scale and the sign of the
// shift: x = d * (2 scale + 1) * (point +- 1/8).
void decode_iq1_s(const std::byte* in, float* out, size_t blocks) {
  for (size_t b = 0; b < blocks; ++b, in += 50, out += kSuper) {
    const float d = half_at(in);
    for (size_t i = 0; i < 32; ++i) {
      const uint32_t h = read<uint16_t>(in + 34 + i / 4 * 2);
      const float step = d * static_cast<float>(2 * (h >> 12 & 7) + 1);
      const uint32_t high = h >> (3 * (i % 4)) & 7;
      put_shifted(kIq1Grid[byte_at(in + 2 + i) | high << 8], step, h >> 15 != 0, out + 8 * i);
    }
  }
}

// {u8 q[32]; u8 h[16]; u16 s[4]}: a nibble of h has three bits of a point and the sign of its
// shift; s has four scales of three bits each, and a nibble of d above them.
void decode_iq1_m(const std::byte* in, float* out, size_t blocks) {
  for (size_t b = 0; b < blocks; ++b, in += 56, out += kSuper) {
    const std::byte* scales = in + 48;
    uint32_t half = 0;
    for (size_t k = 0; k < 4; ++k)
      half |= uint32_t{read<uint16_t>(scales + 2 * k)} >> 12 << (4 * k);
    const float d = half_to_float(static_cast<uint16_t>(half));
    for (size_t i = 0; i < 32; ++i) {
      const size_t j = i / 2;  // the scale's number
      const uint32_t scale = read<uint16_t>(scales + j / 4 * 2) >> (3 * (j % 4)) & 7;
      const uint32_t h = nibble(in + 32, i);
      put_shifted(kIq1Grid[byte_at(in + i) | (h & 7) << 8], d * static_cast<float>(2 * scale + 1),
                  h >> 3 != 0, out + 8 * i);
    }
  }
}

// {u8 q[48]; u8 r[4]; f16 d}: five ternary digits a byte of q, four a byte of r, as a fraction of
// 256, the highest first; of 32 bytes digit k stands at 32 k + byte, of 16 and 4 likewise.
void decode_tq1_0(const std::byte* in, float* out, size_t blocks) {
  struct Part {
    size_t first, bytes, digits;
  };
  constexpr std::array kParts{Part{0, 32, 5}, Part{32, 16, 5}, Part{48, 4, 4}};
  for (size_t b = 0; b < blocks; ++b, in += 54) {
    const float d = half_at(in + 52);
    for (const auto& [first, bytes, digits] : kParts) {
      uint8_t power = 1;
      for (size_t k = 0; k < digits; ++k, power = static_cast<uint8_t>(3 * power)) {
        for (size_t i = 0; i < bytes; ++i) {
          *out++ = d * ternary(static_cast<uint8_t>(byte_at(in + first + i) * power));
        }
      }
    }
  }
}

// {u8 q[64]; f16 d}, two bits as in Q2_K; x = d * (q - 1).
void decode_tq2_0(const std::byte* in, float* out, size_t blocks) {
  for (size_t b = 0; b < blocks; ++b, in += 66, out += kSuper) {
    const float d = half_at(in + 64);
    for (size_t e = 0; e < kSuper; ++e) {
      const uint32_t two = byte_at(in + e / 128 * 32 + e % 32) >> (2 * (e % 128 / 32)) & 3;
      out[e] = d * static_cast<float>(static_cast<int>(two) - 1);
    }
  }
}

}  // namespace assay
