#pragma once
// How the blocks of ggml's types become float32, one function a type. Layouts and the order of
// float32 operations are those of ggml, so decoded values are its bits.

#include <cstddef>

namespace assay {

// Reads `blocks` whole blocks from `in`, writes their elements to `out`. Any bytes decode.
using BlockDecoder = void (*)(const std::byte* in, float* out, size_t blocks);

void decode_f32(const std::byte* in, float* out, size_t blocks);
void decode_f16(const std::byte* in, float* out, size_t blocks);
void decode_bf16(const std::byte* in, float* out, size_t blocks);

// One element a block, rounded to float32 where it has more digits.
void decode_i8(const std::byte* in, float* out, size_t blocks);
void decode_i16(const std::byte* in, float* out, size_t blocks);
void decode_i32(const std::byte* in, float* out, size_t blocks);
void decode_i64(const std::byte* in, float* out, size_t blocks);
void decode_f64(const std::byte* in, float* out, size_t blocks);

// 32 elements a block, NVFP4 64.
void decode_q4_0(const std::byte* in, float* out, size_t blocks);
void decode_q4_1(const std::byte* in, float* out, size_t blocks);
void decode_q5_0(const std::byte* in, float* out, size_t blocks);
void decode_q5_1(const std::byte* in, float* out, size_t blocks);
void decode_q8_0(const std::byte* in, float* out, size_t blocks);
void decode_iq4_nl(const std::byte* in, float* out, size_t blocks);
void decode_mxfp4(const std::byte* in, float* out, size_t blocks);
void decode_nvfp4(const std::byte* in, float* out, size_t blocks);

// 256 elements a block, in sub-blocks with scales of few bits.
void decode_q2_k(const std::byte* in, float* out, size_t blocks);
void decode_q3_k(const std::byte* in, float* out, size_t blocks);
void decode_q4_k(const std::byte* in, float* out, size_t blocks);
void decode_q5_k(const std::byte* in, float* out, size_t blocks);
void decode_q6_k(const std::byte* in, float* out, size_t blocks);
void decode_iq4_xs(const std::byte* in, float* out, size_t blocks);

// 256 elements a block, points of a grid (io/iq_grids.h) or ternary.
void decode_iq2_xxs(const std::byte* in, float* out, size_t blocks);
void decode_iq2_xs(const std::byte* in, float* out, size_t blocks);
void decode_iq2_s(const std::byte* in, float* out, size_t blocks);
void decode_iq3_xxs(const std::byte* in, float* out, size_t blocks);
void decode_iq3_s(const std::byte* in, float* out, size_t blocks);
void decode_iq1_s(const std::byte* in, float* out, size_t blocks);
void decode_iq1_m(const std::byte* in, float* out, size_t blocks);
void decode_tq1_0(const std::byte* in, float* out, size_t blocks);
void decode_tq2_0(const std::byte* in, float* out, size_t blocks);

}  // namespace assay
