#include "io/block_formats.h"

#include <algorithm>
#include <array>
#include <bit>
#include <string>

#include "base/error.h"
#include "base/thread_pool.h"

namespace assay {
namespace {

constexpr std::array kFormats{
    BlockFormat{0, "F32", 1, 4, decode_f32},
    BlockFormat{1, "F16", 1, 2, decode_f16},
    BlockFormat{2, "Q4_0", 32, 18, decode_q4_0},
    BlockFormat{3, "Q4_1", 32, 20, decode_q4_1},
    BlockFormat{6, "Q5_0", 32, 22, decode_q5_0},
    BlockFormat{7, "Q5_1", 32, 24, decode_q5_1},
    BlockFormat{8, "Q8_0", 32, 34, decode_q8_0},
    BlockFormat{9, "Q8_1", 32, 36, nullptr},
    BlockFormat{10, "Q2_K", 256, 84, decode_q2_k},
    BlockFormat{11, "Q3_K", 256, 110, decode_q3_k},
    BlockFormat{12, "Q4_K", 256, 144, decode_q4_k},
    BlockFormat{13, "Q5_K", 256, 176, decode_q5_k},
    BlockFormat{14, "Q6_K", 256, 210, decode_q6_k},
    BlockFormat{15, "Q8_K", 256, 292, nullptr},
    BlockFormat{16, "IQ2_XXS", 256, 66, nullptr},
    BlockFormat{17, "IQ2_XS", 256, 74, nullptr},
    BlockFormat{18, "IQ3_XXS", 256, 98, nullptr},
    BlockFormat{19, "IQ1_S", 256, 50, nullptr},
    BlockFormat{20, "IQ4_NL", 32, 18, decode_iq4_nl},
    BlockFormat{21, "IQ3_S", 256, 110, nullptr},
    BlockFormat{22, "IQ2_S", 256, 82, nullptr},
    BlockFormat{23, "IQ4_XS", 256, 136, decode_iq4_xs},
    BlockFormat{24, "I8", 1, 1, nullptr},
    BlockFormat{25, "I16", 1, 2, nullptr},
    BlockFormat{26, "I32", 1, 4, nullptr},
    BlockFormat{27, "I64", 1, 8, nullptr},
    BlockFormat{28, "F64", 1, 8, nullptr},
    BlockFormat{29, "IQ1_M", 256, 56, nullptr},
    BlockFormat{30, "BF16", 1, 2, decode_bf16},
    BlockFormat{34, "TQ1_0", 256, 54, nullptr},
    BlockFormat{35, "TQ2_0", 256, 66, nullptr},
    BlockFormat{39, "MXFP4", 32, 17, decode_mxfp4},
    BlockFormat{40, "NVFP4", 64, 36, nullptr},
};

constexpr size_t kPieceElements = size_t{1} << 18;

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

std::string decoded_types() {
  std::string text;
  for (const BlockFormat& format : kFormats) {
    if (format.decoder != nullptr) text += (text.empty() ? "" : ", ") + std::string(format.name);
  }
  return text;
}

void decode_blocks(const BlockFormat& format, std::span<const std::byte> blocks,
                   std::span<float> out) {
  require(format.decoder != nullptr, "type ", format.name, " is not decoded; ", decoded_types(),
          " are");
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
    format.decoder(blocks.data() + first * format.block_bytes,
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
