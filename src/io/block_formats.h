#pragma once
// The ways in which GGUF files (and, for F32, F16, BF16, safetensors) store floating-point rows,
// and their decoding.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace assay {

// A ggml tensor type. Elements come in blocks along a row; a type without `decodes` is known by
// size alone.
struct BlockFormat {
  uint32_t id;              // in the file
  std::string_view name;    // "Q4_1"
  uint32_t block_elements;  // elements a block
  uint32_t block_bytes;
  bool decodes;
};

double bits_per_element(const BlockFormat& format);

// nullptr when no such type exists (or it was removed from the format).
const BlockFormat* block_format_by_id(uint32_t id);
const BlockFormat* block_format_by_name(std::string_view name);

// Decodes whole blocks: out.size() elements from blocks.size() bytes, x = d*q, d*(q-8) or d*q + m
// in float32. Error(kBadInput) when the format is not one of F32, F16, BF16, Q4_0, Q4_1, Q8_0, or
// the sizes do not belong together. Runs on the thread pool.
void decode_blocks(const BlockFormat& format, std::span<const std::byte> blocks,
                   std::span<float> out);

// IEEE half and bfloat16 to float32, exact.
float half_to_float(uint16_t half);
float bfloat16_to_float(uint16_t bits);

}  // namespace assay
