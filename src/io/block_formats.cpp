#include "io/block_formats.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "base/error.h"
#include "base/thread_pool.h"

namespace assay {
namespace {

constexpr std::array kFormats{
    BlockFormat{0, "F32", 1, 4, decode_f32, encode_f32},
    BlockFormat{1, "F16", 1, 2, decode_f16, encode_f16},
    BlockFormat{2, "Q4_0", 32, 18, decode_q4_0, encode_q4_0},
    BlockFormat{3, "Q4_1", 32, 20, decode_q4_1, encode_q4_1},
    BlockFormat{6, "Q5_0", 32, 22, decode_q5_0, encode_q5_0},
    BlockFormat{7, "Q5_1", 32, 24, decode_q5_1, encode_q5_1},
    BlockFormat{8, "Q8_0", 32, 34, decode_q8_0, encode_q8_0},
    BlockFormat{9, "Q8_1", 32, 36},
    BlockFormat{10, "Q2_K", 256, 84, decode_q2_k, encode_q2_k},
    BlockFormat{11, "Q3_K", 256, 110, decode_q3_k, encode_q3_k},
    BlockFormat{12, "Q4_K", 256, 144, decode_q4_k, encode_q4_k},
    BlockFormat{13, "Q5_K", 256, 176, decode_q5_k, encode_q5_k},
    BlockFormat{14, "Q6_K", 256, 210, decode_q6_k, encode_q6_k},
    BlockFormat{15, "Q8_K", 256, 292},
    BlockFormat{16, "IQ2_XXS", 256, 66, decode_iq2_xxs},
    BlockFormat{17, "IQ2_XS", 256, 74, decode_iq2_xs},
    BlockFormat{18, "IQ3_XXS", 256, 98, decode_iq3_xxs},
    BlockFormat{19, "IQ1_S", 256, 50, decode_iq1_s},
    BlockFormat{20, "IQ4_NL", 32, 18, decode_iq4_nl, encode_iq4_nl},
    BlockFormat{21, "IQ3_S", 256, 110, decode_iq3_s},
    BlockFormat{22, "IQ2_S", 256, 82, decode_iq2_s},
    BlockFormat{23, "IQ4_XS", 256, 136, decode_iq4_xs, encode_iq4_xs},
    BlockFormat{24, "I8", 1, 1, decode_i8},
    BlockFormat{25, "I16", 1, 2, decode_i16},
    BlockFormat{26, "I32", 1, 4, decode_i32},
    BlockFormat{27, "I64", 1, 8, decode_i64},
    BlockFormat{28, "F64", 1, 8, decode_f64},
    BlockFormat{29, "IQ1_M", 256, 56, decode_iq1_m},
    BlockFormat{30, "BF16", 1, 2, decode_bf16, encode_bf16},
    BlockFormat{34, "TQ1_0", 256, 54, decode_tq1_0},
    BlockFormat{35, "TQ2_0", 256, 66, decode_tq2_0},
    BlockFormat{39, "MXFP4", 32, 17, decode_mxfp4, encode_mxfp4},
    BlockFormat{40, "NVFP4", 64, 36, decode_nvfp4, encode_nvfp4},
};

constexpr size_t kPieceElements = size_t{1} << 18;

void require_finite(const EncoderRows& rows, size_t first_row) {
  for (size_t i = 0; i < rows.elements(); ++i) {
    require(std::isfinite(rows.values[i]), "encode_blocks: row ", first_row + i / rows.length,
            ", column ", i % rows.length, " is ", rows.values[i]);
  }
}

std::string names_of(const auto& has) {
  std::string text;
  for (const BlockFormat& format : kFormats) {
    if (has(format)) text += (text.empty() ? "" : ", ") + std::string(format.name);
  }
  return text;
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

std::string decoded_types() {
  return names_of([](const BlockFormat& format) { return format.decoder != nullptr; });
}

std::string encoded_types() {
  return names_of([](const BlockFormat& format) { return format.encoder != nullptr; });
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

void encode_blocks(const BlockFormat& format, std::span<const float> rows, size_t row_length,
                   std::span<const float> importance, std::span<std::byte> out) {
  require(format.encoder != nullptr, "type ", format.name, " is not written; ", encoded_types(),
          " are");
  require(
      row_length > 0 && row_length % format.block_elements == 0 && rows.size() % row_length == 0,
      "encode_blocks: ", rows.size(), " values are not rows of ", row_length, " in blocks of ",
      format.block_elements);
  require(out.size() == rows.size() / format.block_elements * format.block_bytes,
          "encode_blocks: ", rows.size(), " values of ", format.name, " do not take ", out.size(),
          " bytes");
  require(importance.empty() || importance.size() == row_length, "encode_blocks: an importance of ",
          importance.size(), " columns for rows of ", row_length);
  for (const float value : importance) {
    require(std::isfinite(value) && value >= 0, "encode_blocks: importance ", value,
            " is negative or not finite");
  }
  const size_t num_rows = rows.size() / row_length;
  const size_t row_bytes = row_length / format.block_elements * format.block_bytes;
  const size_t step = std::max<size_t>(kPieceElements / 8 / row_length, 1);  // slower than decoding
  parallel_for(static_cast<int64_t>((num_rows + step - 1) / step), [&](int64_t piece) {
    const size_t first = static_cast<size_t>(piece) * step;
    const EncoderRows part{rows.data() + first * row_length, std::min(step, num_rows - first),
                           row_length, importance.empty() ? nullptr : importance.data()};
    require_finite(part, first);
    format.encoder(part, out.data() + first * row_bytes);
  });
}

}  // namespace assay
