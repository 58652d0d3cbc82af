#pragma once
// The ways in which GGUF files (and, for F32, F16, BF16, safetensors) store floating-point rows,
// and their decoding.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "io/block_decoders.h"
#include "io/block_encoders.h"

namespace assay {

// A ggml tensor type. Elements come in blocks along a row; a type without a decoder is known by its
// size alone, one without an encoder is read and not written.
struct BlockFormat {
  uint32_t id;              // in the file
  std::string_view name;    // "Q4_1"
  uint32_t block_elements;  // elements a block
  uint32_t block_bytes;
  BlockDecoder decoder = nullptr;
  BlockEncoder encoder = nullptr;
};

double bits_per_element(const BlockFormat& format);

// nullptr when no such type exists (or it was removed from the format).
const BlockFormat* block_format_by_id(uint32_t id);
const BlockFormat* block_format_by_name(std::string_view name);

// "F32, F16, Q4_0, ..."
std::string decoded_types();
std::string encoded_types();

// Decodes whole blocks: out.size() elements from blocks.size() bytes (io/block_decoders.h).
// Error(kBadInput) when the format has no decoder or the sizes do not belong together. Runs on the
// thread pool.
void decode_blocks(const BlockFormat& format, std::span<const std::byte> blocks,
                   std::span<float> out);

// Encodes rows.size() / row_length rows of one tensor into whole blocks. `importance` is empty or
// [row_length] (io/imatrix.h): weights of the columns' squared errors, for the types that have a
// use for them. Error(kBadInput) when the format has no encoder, the sizes do not belong together,
// a value is not finite, or an importance is negative or not finite. Runs on the thread pool; the
// bytes do not depend on it.
void encode_blocks(const BlockFormat& format, std::span<const float> rows, size_t row_length,
                   std::span<const float> importance, std::span<std::byte> out);

}  // namespace assay
