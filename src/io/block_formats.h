#pragma once
// The ways in which GGUF files (and, for F32, F16, BF16, safetensors) store floating-point rows,
// and their decoding.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "io/block_decoders.h"

namespace assay {

// A ggml tensor type. Elements come in blocks along a row; a type without a decoder is known by its
// size alone.
struct BlockFormat {
  uint32_t id;              // in the file
  std::string_view name;    // "Q4_1"
  uint32_t block_elements;  // elements a block
  uint32_t block_bytes;
  BlockDecoder decoder;
};

double bits_per_element(const BlockFormat& format);

// nullptr when no such type exists (or it was removed from the format).
const BlockFormat* block_format_by_id(uint32_t id);
const BlockFormat* block_format_by_name(std::string_view name);

// "F32, F16, Q4_0, ..."
std::string decoded_types();

// Decodes whole blocks: out.size() elements from blocks.size() bytes (io/block_decoders.h).
// Error(kBadInput) when the format has no decoder or the sizes do not belong together. Runs on the
// thread pool.
void decode_blocks(const BlockFormat& format, std::span<const std::byte> blocks,
                   std::span<float> out);

// IEEE half and bfloat16 to float32, exact.
float half_to_float(uint16_t half);
float bfloat16_to_float(uint16_t bits);

}  // namespace assay
