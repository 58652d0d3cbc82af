#include "io/block_decoders.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "io/block_levels.h"
#include "io/packed_scales.h"
#include "io/small_floats.h"

namespace assay {
namespace {

constexpr size_t kQuants = 32;  // elements a block of the older types
constexpr size_t kSuper = 256;  // elements a block of the K types

uint16_t read_u16(const std::byte* at) {
  uint16_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

uint32_t read_u32(const std::byte* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

float read_half(const std::byte* at) { return half_to_float(read_u16(at)); }

int low(std::byte byte) { return static_cast<int>(byte) & 15; }
int high(std::byte byte) { return static_cast<int>(byte) >> 4; }

template <class Number>
void decode_numbers(const std::byte* in, float* out, size_t blocks) {
  for (size_t i = 0; i < blocks; ++i) {
    Number value;
    std::memcpy(&value, in + i * sizeof value, sizeof value);
    out[i] = static_cast<float>(value);
  }
}

// Q4_K {f16 d; f16 dmin; u8 scales[12]; u8 q[128]}, sub-blocks of 32: x = d * scale * q - dmin *
// minimum. Of every 64 elements byte l holds l in its low nibble, l + 32 in its high one. Q5_K has
// {u8 fifth[32]} before q: bit j of fifth[l] is the fifth of element l of sub-block j.
template <bool kHasFifth>
void decode_with_minima(const std::byte* in, float* out, size_t blocks) {
  constexpr size_t kCodes = kHasFifth ? 48 : 16, kBytes = kCodes + 128;
  for (size_t b = 0; b < blocks; ++b, in += kBytes, out += kSuper) {
    const float d = read_half(in), dmin = read_half(in + 2);
    for (size_t j = 0; j < 8; ++j) {
      const auto [scale, minimum] = scale_and_minimum(in + 4, j);
      const float step = d * static_cast<float>(scale), least = dmin * static_cast<float>(minimum);
      for (size_t l = 0; l < 32; ++l) {
        const std::byte byte = in[kCodes + j / 2 * 32 + l];
        int code = j % 2 == 0 ? low(byte) : high(byte);
        if constexpr (kHasFifth) code |= (static_cast<int>(in[16 + l]) >> j & 1) << 4;
        out[32 * j + l] = step * static_cast<float>(code) - least;
      }
    }
  }
}

}  // namespace

void decode_f32(const std::byte* in, float* out, size_t blocks) {
  std::memcpy(out, in, blocks * sizeof(float));
}

void decode_f16(const std::byte* in, float* out, size_t blocks) {
  for (size_t i = 0; i < blocks; ++i) out[i] = read_half(in + 2 * i);
}

void decode_bf16(const std::byte* in, float* out, size_t blocks) {
  for (size_t i = 0; i < blocks; ++i) out[i] = bfloat16_to_float(read_u16(in + 2 * i));
}

void decode_i8(const std::byte* in, float* out, size_t blocks) {
  decode_numbers<int8_t>(in, out, blocks);
}
void decode_i16(const std::byte* in, float* out, size_t blocks) {
  decode_numbers<int16_t>(in, out, blocks);
}
void decode_i32(const std::byte* in, float* out, size_t blocks) {
  decode_numbers<int32_t>(in, out, blocks);
}
void decode_i64(const std::byte* in, float* out, size_t blocks) {
  decode_numbers<int64_t>(in, out, blocks);
}
void decode_f64(const std::byte* in, float* out, size_t blocks) {
  decode_numbers<double>(in, out, blocks);
}

// {f16 d; u8 q[16]}: the low nibbles are elements 0-15, the high ones 16-31; x = d * (q - 8).
void decode_q4_0(const std::byte* in, float* out, size_t blocks) {
  for (size_t b = 0; b < blocks; ++b, in += 18, out += kQuants) {
    const float d = read_half(in);
    for (size_t i = 0; i < kQuants / 2; ++i) {
      out[i] = d * static_cast<float>(low(in[2 + i]) - 8);
      out[i + kQuants / 2] = d * static_cast<float>(high(in[2 + i]) - 8);
    }
  }
}

// {f16 d; f16 m; u8 q[16]}, nibbles as in Q4_0; x = d * q + m.
void decode_q4_1(const std::byte* in, float* out, size_t blocks) {
  for (size_t b = 0; b < blocks; ++b, in += 20, out += kQuants) {
    const float d = read_half(in), m = read_half(in + 2);
    for (size_t i = 0; i < kQuants / 2; ++i) {
      out[i] = d * static_cast<float>(low(in[4 + i])) + m;
      out[i + kQuants / 2] = d * static_cast<float>(high(in[4 + i])) + m;
    }
  }
}

// {f16 d; u32 fifth; u8 q[16]}: bit i of `fifth` is the fifth of element i; x = d * (q - 16).
void decode_q5_0(const std::byte* in, float* out, size_t blocks) {
  for (size_t b = 0; b < blocks; ++b, in += 22, out += kQuants) {
    const float d = read_half(in);
    const uint32_t fifth = read_u32(in + 2);
    for (size_t i = 0; i < kQuants; ++i) {
      const std::byte byte = in[6 + i % 16];
      const int four = i < 16 ? low(byte) : high(byte);
      out[i] = d * static_cast<float>((four | static_cast<int>(fifth >> i & 1) << 4) - 16);
    }
  }
}

// {f16 d; f16 m; u32 fifth; u8 q[16]}; x = d * q + m.
void decode_q5_1(const std::byte* in, float* out, size_t blocks) {
  for (size_t b = 0; b < blocks; ++b, in += 24, out += kQuants) {
    const float d = read_half(in), m = read_half(in + 2);
    const uint32_t fifth = read_u32(in + 4);
    for (size_t i = 0; i < kQuants; ++i) {
      const std::byte byte = in[8 + i % 16];
      const int four = i < 16 ? low(byte) : high(byte);
      out[i] = d * static_cast<float>(four | static_cast<int>(fifth >> i & 1) << 4) + m;
    }
  }
}

// {f16 d; i8 q[32]}; x = d * q.
void decode_q8_0(const std::byte* in, float* out, size_t blocks) {
  for (size_t b = 0; b < blocks; ++b, in += 34, out += kQuants) {
    const float d = read_half(in);
    for (size_t i = 0; i < kQuants; ++i)
      out[i] = d * static_cast<float>(static_cast<int8_t>(in[2 + i]));
  }
}

// {f16 d; u8 q[16]}, nibbles as in Q4_0; x = d * level[q].
void decode_iq4_nl(const std::byte* in, float* out, size_t blocks) {
  for (size_t b = 0; b < blocks; ++b, in += 18, out += kQuants) {
    const float d = read_half(in);
    for (size_t i = 0; i < kQuants / 2; ++i) {
      out[i] = d * kIq4Levels[static_cast<size_t>(low(in[2 + i]))];
      out[i + kQuants / 2] = d * kIq4Levels[static_cast<size_t>(high(in[2 + i]))];
    }
  }
}

// {u8 e; u8 q[16]}, nibbles as in Q4_0; x = 2^(e - 127) times an E2M1 float.
void decode_mxfp4(const std::byte* in, float* out, size_t blocks) {
  for (size_t b = 0; b < blocks; ++b, in += 17, out += kQuants) {
    const float half_scale = std::ldexp(1.0f, static_cast<int>(in[0]) - 128);
    for (size_t i = 0; i < kQuants / 2; ++i) {
      out[i] = half_scale * kTwiceE2m1[static_cast<size_t>(low(in[1 + i]))];
      out[i + kQuants / 2] = half_scale * kTwiceE2m1[static_cast<size_t>(high(in[1 + i]))];
    }
  }
}

// {u8 d[4]; u8 q[32]}, sub-blocks of 16: x = d times an E2M1 float; byte 8 s + j of q holds
// elements j and j + 8 of sub-block s.
void decode_nvfp4(const std::byte* in, float* out, size_t blocks) {
  for (size_t b = 0; b < blocks; ++b, in += 36, out += 64) {
    for (size_t s = 0; s < 4; ++s) {
      const float half_scale = unsigned_e4m3_to_float(static_cast<uint8_t>(in[s])) * 0.5f;
      for (size_t j = 0; j < 8; ++j) {
        const std::byte byte = in[4 + 8 * s + j];
        out[16 * s + j] = half_scale * kTwiceE2m1[static_cast<size_t>(low(byte))];
        out[16 * s + j + 8] = half_scale * kTwiceE2m1[static_cast<size_t>(high(byte))];
      }
    }
  }
}

// {u8 scales[16]; u8 q[64]; f16 d; f16 dmin}, sub-blocks of 16: x = d * (low nibble of the scale) *
// q
// - dmin * (high nibble). Byte 32 h + l holds elements 128 h + l, + 32, + 64, + 96 from its low
// bits on.
void decode_q2_k(const std::byte* in, float* out, size_t blocks) {
  for (size_t b = 0; b < blocks; ++b, in += 84, out += kSuper) {
    const std::byte *scales = in, *q = in + 16;
    const float d = read_half(in + 80), dmin = read_half(in + 82);
    for (size_t e = 0; e < kSuper; ++e) {
      const std::byte scale = scales[e / 16];
      const int two = static_cast<int>(q[e / 128 * 32 + e % 32]) >> (2 * (e % 128 / 32)) & 3;
      out[e] = d * static_cast<float>(low(scale)) * static_cast<float>(two) -
               dmin * static_cast<float>(high(scale));
    }
  }
}

// {u8 third[32]; u8 q[64]; u8 scales[12]; f16 d}, q as in Q2_K; bit e / 32 of byte e % 32 of
// `third` says that 4 is not to be taken off: x = d * scale * q.
void decode_q3_k(const std::byte* in, float* out, size_t blocks) {
  for (size_t b = 0; b < blocks; ++b, in += 110, out += kSuper) {
    const std::byte *third = in, *q = in + 32, *scales = in + 96;
    const float d = read_half(in + 108);
    for (size_t e = 0; e < kSuper; ++e) {
      const int two = static_cast<int>(q[e / 128 * 32 + e % 32]) >> (2 * (e % 128 / 32)) & 3;
      const bool has_third = (static_cast<int>(third[e % 32]) >> (e / 32) & 1) != 0;
      out[e] = d * static_cast<float>(q3_scale(scales, e / 16)) *
               static_cast<float>(has_third ? two : two - 4);
    }
  }
}

void decode_q4_k(const std::byte* in, float* out, size_t blocks) {
  decode_with_minima<false>(in, out, blocks);
}

void decode_q5_k(const std::byte* in, float* out, size_t blocks) {
  decode_with_minima<true>(in, out, blocks);
}

// {u8 low[128]; u8 high[64]; i8 scales[16]; f16 d}, sub-blocks of 16: x = d * scale * (q - 32). Of
// every 128 elements l, l + 32, l + 64, l + 96: four bits in the nibbles of low[l] and low[l + 32],
// two in high[l].
void decode_q6_k(const std::byte* in, float* out, size_t blocks) {
  for (size_t b = 0; b < blocks; ++b, in += 210, out += kSuper) {
    const std::byte *low_bits = in, *high_bits = in + 128, *scales = in + 192;
    const float d = read_half(in + 208);
    for (size_t e = 0; e < kSuper; ++e) {
      const size_t half = e / 128, quarter = e % 128 / 32, l = e % 32;
      const std::byte byte = low_bits[64 * half + quarter % 2 * 32 + l];
      const int four = quarter < 2 ? low(byte) : high(byte);
      const int two = static_cast<int>(high_bits[32 * half + l]) >> (2 * quarter) & 3;
      const float step = d * static_cast<float>(static_cast<int8_t>(scales[e / 16]));
      out[e] = step * static_cast<float>((four | two << 4) - 32);
    }
  }
}

// {f16 d; u16 high; u8 low[4]; u8 q[128]}, sub-blocks of 32 as blocks of IQ4_NL: x = d * (scale -
// 32) * level[q], the scale's four bits in a nibble of `low`, two in `high`.
void decode_iq4_xs(const std::byte* in, float* out, size_t blocks) {
  for (size_t b = 0; b < blocks; ++b, in += 136, out += kSuper) {
    const float d = read_half(in);
    const int high_bits = read_u16(in + 2);
    for (size_t j = 0; j < 8; ++j) {
      const std::byte nibbles = in[4 + j / 2];
      const int four = j % 2 == 0 ? low(nibbles) : high(nibbles);
      const float step = d * static_cast<float>((four | (high_bits >> (2 * j) & 3) << 4) - 32);
      for (size_t i = 0; i < 16; ++i) {
        const std::byte byte = in[8 + 16 * j + i];
        out[32 * j + i] = step * kIq4Levels[static_cast<size_t>(low(byte))];
        out[32 * j + 16 + i] = step * kIq4Levels[static_cast<size_t>(high(byte))];
      }
    }
  }
}

}  // namespace assay
