// Floats, and the types of 32 elements a block whose levels are multiples of a step.

#include "io/block_encoders.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "base/every_isa.h"
#include "io/encoder_rows.h"

namespace assay {
namespace {

constexpr size_t kBlock = 32;
constexpr size_t kLanes = 8;  // blocks that are fitted side by side

// The layouts of Q4_0, Q4_1, Q5_0, Q5_1: {f16 d; f16 m (of _1)} {u32 fifth (of 5)} {u8 q[16]}.
struct Layout {
  int bits;
  bool has_minimum;

  size_t header() const { return has_minimum ? 4 : 2; }
  size_t bytes() const { return header() + (bits == 5 ? 4 : 0) + 16; }
};
constexpr Layout kQ40{4, false}, kQ41{4, true}, kQ50{5, false}, kQ51{5, true};

ASSAY_INLINE void put_codes(const uint8_t* code, const Layout& layout, std::byte* block) {
  std::byte* out = block + layout.header();
  if (layout.bits == 5) {
    put_fifth_bits(code, out);
    out += 4;
  }
  put_nibbles(code, out);
}

// Half away from zero, of magnitudes below 2^23: the largest float below 0.5 is added, so that what
// is just below half stays below.
ASSAY_INLINE int32_t round_away(float value) {
  return static_cast<int32_t>(value + std::copysign(0x1.fffffep-2f, value));
}

// d = m / -2^(bits - 1) with m the signed element of largest magnitude; q = x / d, rounded, and
// 2^(bits - 1) added.
ASSAY_EVERY_ISA void encode_symmetric(const EncoderRows& rows, Layout layout, std::byte* out) {
  const int levels = 1 << (layout.bits - 1);
  const float offset = static_cast<float>(levels) + 0.5f;
  for (size_t b = 0; b < rows.elements() / kBlock; ++b, out += layout.bytes()) {
    const float* x = rows.values + b * kBlock;
    float m = 0, magnitude = 0;
    for (size_t i = 0; i < kBlock; ++i) {
      const bool is_larger = std::fabs(x[i]) > magnitude;
      m = is_larger ? x[i] : m;
      magnitude = is_larger ? std::fabs(x[i]) : magnitude;
    }
    const float d = m / -static_cast<float>(levels), inverse = d != 0 ? 1.0f / d : 0.0f;
    put_half(out, d);
    uint8_t code[kBlock];
    for (size_t i = 0; i < kBlock; ++i) {
      const int q = static_cast<int>(x[i] * inverse + offset);
      code[i] = static_cast<uint8_t>(std::min(2 * levels - 1, q));
    }
    put_codes(code, layout, out);
  }
}

// d = (max - min) / (2^bits - 1), m = min; q = (x - m) / d, rounded.
ASSAY_EVERY_ISA void encode_from_minimum(const EncoderRows& rows, Layout layout, std::byte* out) {
  const int top = (1 << layout.bits) - 1;
  for (size_t b = 0; b < rows.elements() / kBlock; ++b, out += layout.bytes()) {
    const float* x = rows.values + b * kBlock;
    float least = x[0], most = x[0];
    for (size_t i = 1; i < kBlock; ++i) {
      least = x[i] < least ? x[i] : least;
      most = x[i] > most ? x[i] : most;
    }
    const float d = (most - least) / static_cast<float>(top), inverse = d != 0 ? 1.0f / d : 0.0f;
    put_half(out, d);
    put_half(out + 2, least);
    uint8_t code[kBlock];
    for (size_t i = 0; i < kBlock; ++i) {
      const int q = static_cast<int>((x[i] - least) * inverse + 0.5f);
      code[i] = static_cast<uint8_t>(std::min(top, q));
    }
    put_codes(code, layout, out);
  }
}

// Blocks by eights, with their weights w = v sqrt(sigma^2 + x^2), sigma^2 the mean square of their
// row. Calls fit(x, w, first block, blocks).
template <class Fit>
ASSAY_INLINE void for_weighted_blocks(const EncoderRows& rows, const Fit& fit) {
  std::vector<float> variance(rows.count);
  for (size_t r = 0; r < rows.count; ++r) {
    variance[r] = sum_of_squares(rows.values + r * rows.length, rows.length) /
                  static_cast<float>(rows.length);
  }
  const size_t blocks = rows.elements() / kBlock, of_row = rows.length / kBlock;
  for (size_t first = 0; first < blocks; first += kLanes) {
    const size_t present = std::min(kLanes, blocks - first);
    Columns<float, kBlock, kLanes> x{}, w{};
    PerLane<float, kLanes> of_lane{};
    load_columns(rows.values + first * kBlock, present, x);
    for (size_t j = 0; j < present; ++j) {
      of_lane.at[j] = variance[(first + j) / of_row];
      const float* v = rows.importance + (first + j) % of_row * kBlock;
      for (size_t i = 0; i < kBlock; ++i) w.at[i][j] = v[i];
    }
    weigh(x, of_lane, w);
    fit(x, w, first, present);
  }
}

template <class Code>
ASSAY_INLINE void put_lane(const Code& code, size_t lane, const Layout& layout, std::byte* block) {
  uint8_t bytes[kBlock];
  for (size_t i = 0; i < kBlock; ++i) bytes[i] = static_cast<uint8_t>(code.at[i][lane]);
  put_codes(bytes, layout, block);
}

ASSAY_EVERY_ISA void fit_blocks_symmetric(const EncoderRows& rows, Layout layout, std::byte* out) {
  for_weighted_blocks(
      rows, [&](const auto& x, const auto& w, size_t first, size_t present)
                __attribute__((always_inline)) {
                  SymmetricFit<kBlock, kLanes> fit{};
                  fit_symmetric(x, w, 1 << (layout.bits - 1), fit);
                  for (size_t j = 0; j < present; ++j) {
                    std::byte* block = out + (first + j) * layout.bytes();
                    put_half(block, fit.scale.at[j]);
                    put_lane(fit.code, j, layout, block);
                  }
                });
}

ASSAY_EVERY_ISA void fit_blocks_from_minimum(const EncoderRows& rows, Layout layout,
                                             std::byte* out) {
  for_weighted_blocks(
      rows, [&](const auto& x, const auto& w, size_t first,
                size_t present) __attribute__((always_inline)) {
        MinimumFit<kBlock, kLanes> fit{};
        fit_minimum<ErrorMeasure::kSquared>(x, w, (1 << layout.bits) - 1, kWeightedSearch, fit);
        for (size_t j = 0; j < present; ++j) {
          std::byte* block = out + (first + j) * layout.bytes();
          put_half(block, fit.scale.at[j]);
          put_half(block + 2, -fit.minimum.at[j]);
          put_lane(fit.code, j, layout, block);
        }
      });
}

void encode_steps(const EncoderRows& rows, Layout layout, std::byte* out) {
  if (rows.importance == nullptr) {
    layout.has_minimum ? encode_from_minimum(rows, layout, out)
                       : encode_symmetric(rows, layout, out);
  } else {
    layout.has_minimum ? fit_blocks_from_minimum(rows, layout, out)
                       : fit_blocks_symmetric(rows, layout, out);
  }
}

ASSAY_EVERY_ISA void round_to_halves(const EncoderRows& rows, std::byte* out) {
  for (size_t i = 0; i < rows.elements(); ++i) put_u16(out + 2 * i, float_to_half(rows.values[i]));
}

// d = max |x| / 127, q = round(x / d), half away from zero, with the float32 d.
ASSAY_EVERY_ISA void encode_bytes(const EncoderRows& rows, std::byte* out) {
  for (size_t b = 0; b < rows.elements() / kBlock; ++b, out += 34) {
    const float* x = rows.values + b * kBlock;
    float most = 0;
    for (size_t i = 0; i < kBlock; ++i) most = std::fabs(x[i]) > most ? std::fabs(x[i]) : most;
    const float d = most / 127.0f, inverse = d != 0 ? 1.0f / d : 0.0f;
    put_half(out, d);
    int32_t q[kBlock];
    for (size_t i = 0; i < kBlock; ++i) q[i] = round_away(x[i] * inverse);
    for (size_t i = 0; i < kBlock; ++i) out[2 + i] = static_cast<std::byte>(q[i]);
  }
}

}  // namespace

void encode_f32(const EncoderRows& rows, std::byte* out) {
  std::memcpy(out, rows.values, rows.elements() * sizeof(float));
}

void encode_f16(const EncoderRows& rows, std::byte* out) { round_to_halves(rows, out); }

void encode_bf16(const EncoderRows& rows, std::byte* out) {
  for (size_t i = 0; i < rows.elements(); ++i) {
    put_u16(out + 2 * i, float_to_bfloat16(rows.values[i]));
  }
}

void encode_q4_0(const EncoderRows& rows, std::byte* out) { encode_steps(rows, kQ40, out); }
void encode_q4_1(const EncoderRows& rows, std::byte* out) { encode_steps(rows, kQ41, out); }
void encode_q5_0(const EncoderRows& rows, std::byte* out) { encode_steps(rows, kQ50, out); }
void encode_q5_1(const EncoderRows& rows, std::byte* out) { encode_steps(rows, kQ51, out); }
void encode_q8_0(const EncoderRows& rows, std::byte* out) { encode_bytes(rows, out); }

}  // namespace assay
