#pragma once
// Unsigned fields of a few bits in little-endian 32-bit words, the first field in the least
// significant bits.

#include <cstddef>
#include <cstdint>

namespace assay {

// What a field that no longer fits a word does: it goes on in the next one, so that the fields are
// one bit stream (GPTQ), or it starts in the next one and the last bits of a word are unused
// (compressed-tensors).
enum class Straddling { kStream, kNever };

// Words that `count` fields take.
int64_t words_of_fields(int64_t count, int64_t bits, Straddling straddling);

// `count` fields from words that lie `stride` words apart, the first at `words`; bits in [1, 8].
void unpack_fields(const std::byte* words, int64_t stride, int64_t bits, Straddling straddling,
                   int64_t count, uint8_t* fields);
// The reverse. The words must be zero before.
void pack_fields(const uint8_t* fields, int64_t count, int64_t bits, Straddling straddling,
                 std::byte* words, int64_t stride);

}  // namespace assay
