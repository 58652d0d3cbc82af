#pragma once
// How float32 rows become the blocks of ggml's types, one function a type: bit for bit what its
// reference encoder makes of them, with and without an importance matrix.

#include <cstddef>

namespace assay {

// Rows of one tensor, one after the other, all finite. `length` is a multiple of the block.
struct EncoderRows {
  const float* values = nullptr;
  size_t count = 0, length = 0;
  // [length] mean square of each input column (io/imatrix.h), or nullptr: weights of the squared
  // error. Types whose reference has no use for it ignore it.
  const float* importance = nullptr;

  size_t elements() const { return count * length; }
};

// Writes count * length / block_elements blocks to `out`.
using BlockEncoder = void (*)(const EncoderRows& rows, std::byte* out);

// One element a block; rounded to nearest even.
void encode_f32(const EncoderRows& rows, std::byte* out);
void encode_f16(const EncoderRows& rows, std::byte* out);
void encode_bf16(const EncoderRows& rows, std::byte* out);

// 32 elements a block.
void encode_q4_0(const EncoderRows& rows, std::byte* out);
void encode_q4_1(const EncoderRows& rows, std::byte* out);
void encode_q5_0(const EncoderRows& rows, std::byte* out);
void encode_q5_1(const EncoderRows& rows, std::byte* out);
void encode_q8_0(const EncoderRows& rows, std::byte* out);

// 256 elements a block.
void encode_q2_k(const EncoderRows& rows, std::byte* out);
void encode_q3_k(const EncoderRows& rows, std::byte* out);
void encode_q4_k(const EncoderRows& rows, std::byte* out);
void encode_q5_k(const EncoderRows& rows, std::byte* out);
void encode_q6_k(const EncoderRows& rows, std::byte* out);

// Levels from a table (io/block_levels.h): 32, 256, 32 and 64 elements a block.
void encode_iq4_nl(const EncoderRows& rows, std::byte* out);
void encode_iq4_xs(const EncoderRows& rows, std::byte* out);
void encode_mxfp4(const EncoderRows& rows, std::byte* out);
void encode_nvfp4(const EncoderRows& rows, std::byte* out);

}  // namespace assay
