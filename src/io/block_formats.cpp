#include "io/block_formats.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/error.h"
#include "base/thread_pool.h"

namespace assay {
namespace {

constexpr std::array kFormats{
    BlockFormat{0, "F32", 1, 4, true},          BlockFormat{1, "F16", 1, 2, true},
    BlockFormat{2, "Q4_0", 32, 18, true},       BlockFormat{3, "Q4_1", 32, 20, true},
    BlockFormat{6, "Q5_0", 32, 22, false},      BlockFormat{7, "Q5_1", 32, 24, false},
    BlockFormat{8, "Q8_0", 32, 34, true},       BlockFormat{9, "Q8_1", 32, 36, false},
    BlockFormat{10, "Q2_K", 256, 84, false},    BlockFormat{11, "Q3_K", 256, 110, false},
    BlockFormat{12, "Q4_K", 256, 144, false},   BlockFormat{13, "Q5_K", 256, 176, false},
    BlockFormat{14, "Q6_K", 256, 210, false},   BlockFormat{15, "Q8_K", 256, 292, false},
    BlockFormat{16, "IQ2_XXS", 256, 66, false}, BlockFormat{17, "IQ2_XS", 256, 74, false},
    BlockFormat{18, "IQ3_XXS", 256, 98, false}, BlockFormat{19, "IQ1_S", 256, 50, false},
    BlockFormat{20, "IQ4_NL", 32, 18, false},   BlockFormat{21, "IQ3_S", 256, 110, false},
    BlockFormat{22, "IQ2_S", 256, 82, false},   BlockFormat{23, "IQ4_XS", 256, 136, false},
    BlockFormat{24, "I8", 1, 1, false},         BlockFormat{25, "I16", 1, 2, false},
    BlockFormat{26, "I32", 1, 4, false},        BlockFormat{27, "I64", 1, 8, false},
    BlockFormat{28, "F64", 1, 8, false},        BlockFormat{29, "IQ1_M", 256, 56, false},
    BlockFormat{30, "BF16", 1, 2, true},        BlockFormat{34, "TQ1_0", 256, 54, false},
    BlockFormat{35, "TQ2_0", 256, 66, false},   BlockFormat{39, "MXFP4", 32, 17, false},
    BlockFormat{40, "NVFP4", 64, 36, false},
};

constexpr size_t kPieceElements = size_t{1} << 18;
constexpr size_t kQuants = 32;  // elements a block of Q4_0, Q4_1, Q8_0

float read_half(const std::byte* at) {
  uint16_t half;
  std::memcpy(&half, at, sizeof half);
  return half_to_float(half);
}

void decode_half(const std::byte* in, float* out, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    uint16_t half;
    std::memcpy(&half, in + 2 * i, sizeof half);
    out[i] = half_to_float(half);
  }
}

void decode_bfloat16(const std::byte* in, float* out, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    uint16_t bits;
    std::memcpy(&bits, in + 2 * i, sizeof bits);
    out[i] = bfloat16_to_float(bits);
  }
}

// {f16 d; u8 q[16]}: the low nibbles are elements 0-15, the high ones 16-31; x = d * (q - 8).
void decode_q4_0(const std::byte* in, float* out, size_t blocks) {
  for (size_t b = 0; b < blocks; ++b, in += 18, out += kQuants) {
    const float d = read_half(in);
    for (size_t i = 0; i < kQuants / 2; ++i) {
      const int q = static_cast<int>(in[2 + i]);
      out[i] = d * static_cast<float>((q & 15) - 8);
      out[i + kQuants / 2] = d * static_cast<float>((q >> 4) - 8);
    }
  }
}

// {f16 d; f16 m; u8 q[16]}, nibbles as in Q4_0; x = d * q + m.
void decode_q4_1(const std::byte* in, float* out, size_t blocks) {
  for (size_t b = 0; b < blocks; ++b, in += 20, out += kQuants) {
    const float d = read_half(in), m = read_half(in + 2);
    for (size_t i = 0; i < kQuants / 2; ++i) {
      const int q = static_cast<int>(in[4 + i]);
      out[i] = d * static_cast<float>(q & 15) + m;
      out[i + kQuants / 2] = d * static_cast<float>(q >> 4) + m;
    }
  }
}

// {f16 d; i8 q[32]}; x = d * q.
void decode_q8_0(const std::byte* in, float* out, size_t blocks) {
  for (size_t b = 0; b < blocks; ++b, in += 34, out += kQuants) {
    const float d = read_half(in);
    for (size_t i = 0; i < kQuants; ++i) {
      out[i] = d * static_cast<float>(static_cast<int8_t>(in[2 + i]));
    }
  }
}

void decode_serially(const BlockFormat& format, const std::byte* in, float* out, size_t blocks) {
  if (format.name == "F32") return void(std::memcpy(out, in, blocks * sizeof(float)));
  if (format.name == "F16") return decode_half(in, out, blocks);
  if (format.name == "BF16") return decode_bfloat16(in, out, blocks);
  if (format.name == "Q4_0") return decode_q4_0(in, out, blocks);
  if (format.name == "Q4_1") return decode_q4_1(in, out, blocks);
  if (format.name == "Q8_0") return decode_q8_0(in, out, blocks);
  fail(ErrorKind::kInternal, "no decoder for ", format.name);
}

}  // namespace

double bits_per_element(const BlockFormat& format) {
  return 8.0 * format.block_bytes / format.block_elements;
}

const BlockFormat* block_format_by_id(uint32_t id) {
  const auto found = std::ranges::find(kFormats, id, &BlockFormat::id);
  return found == kFormats.end() ? nullptr : &*found;
}

const BlockFormat* block_format_by_name(std::string_view name) {
  const auto found = std::ranges::find(kFormats, name, &BlockFormat::name);
  return found == kFormats.end() ? nullptr : &*found;
}

void decode_blocks(const BlockFormat& format, std::span<const std::byte> blocks,
                   std::span<float> out) {
  require(format.decodes, "type ", format.name,
          " is not decoded yet; F32, F16, BF16, Q4_0, Q4_1 and Q8_0 are");
  const size_t num_blocks = out.size() / format.block_elements;
  require(out.size() % format.block_elements == 0 &&
              blocks.size() / format.block_bytes == num_blocks &&
              blocks.size() % format.block_bytes == 0,
          "decode_blocks: ", blocks.size(), " bytes of ", format.name, " do not hold ", out.size(),
          " elements");
  // Pieces of some 100 us each.
  const size_t step = std::max<size_t>(kPieceElements / format.block_elements, 1);
  const auto pieces = static_cast<int64_t>((num_blocks + step - 1) / step);
  parallel_for(pieces, [&](int64_t piece) {
    const size_t first = static_cast<size_t>(piece) * step;
    decode_serially(format, blocks.data() + first * format.block_bytes,
                    out.data() + first * format.block_elements, std::min(step, num_blocks - first));
  });
}

// Shifting the exponent and mantissa into place gives a value too small by 2^112, subnormals
// included; multiplying puts that right exactly. Infinity and NaN come out with a finite exponent,
// which is then set to all ones.
float half_to_float(uint16_t half) {
  const float magnitude = std::bit_cast<float>((half & 0x7fffu) << 13) * 0x1p112f;
  const uint32_t special = magnitude >= 65536.0f ? 0x7f800000u : 0u;
  const uint32_t sign = (half & 0x8000u) << 16;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | special | sign);
}

float bfloat16_to_float(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

}  // namespace assay
