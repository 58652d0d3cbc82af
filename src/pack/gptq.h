#pragma once
// The layout of GPTQ checkpoints (AutoGPTQ, GPTQModel, and what borrows it), bits b, G groups:
//   qweight I32 [in * b / 32, out]   codes, packed along the inputs
//   qzeros  I32 [G, out * b / 32]    zero points, packed along the outputs
//   scales  F16 [G, out]
//   g_idx   I32 [in]                 group of each input; absent = one after another
// b = 2, 4, 8: whole fields in a word; b = 3: 32 fields are 3 words, a bit stream over them. The
// layer of the original 3-bit code has `zeros` (float, zero * scale) in place of qzeros.
// value[o][i] = scales[g][o] * (code[i][o] - zero[g][o]).

#include <cstdint>
#include <string>

#include "pack/grid_codes.h"
#include "pack/parts.h"

namespace assay {

// checkpoint_format "gptq" stores zero - 1, "gptq_v2" the zero itself. Readers of the first add 1
// to the field without wrapping, so that a full field (what a zero of 0 became) reads as 2^bits;
// kMinusOneWrapping reads it as 0.
enum class StoredZero { kMinusOne, kMinusOneWrapping, kPlain };

struct GptqLayout {
  int64_t bits = 4;          // 2, 3, 4, 8
  int64_t group_size = 128;  // -1 = all inputs
  StoredZero stored_zero = StoredZero::kMinusOne;
};

// Checks types and shapes of all parts against each other and the layout. Error(kCorruptFile) names
// the part and both shapes.
LinearShape gptq_shape(const GptqLayout& layout, const StoredParts& parts);

// Error(kCorruptFile) also where g_idx names a group that there is none of.
GridCodes gptq_unpack(const GptqLayout& layout, const StoredParts& parts);

// Fields of qzeros with all bits set, which under kMinusOne no program writes on purpose: a zero of
// 0, or lanes that a writer has corrupted. 0 under kPlain.
int64_t gptq_full_zero_fields(const GptqLayout& layout, const StoredParts& parts);

// Why this grid cannot be stored so; empty when it can. `scales` are rounded to float16.
std::string why_not_gptq(const GptqLayout& layout, LinearShape shape);

// Error(kBadInput): the reason above, a zero that the layout cannot hold, a scale beyond float16.
OwnedParts gptq_pack(const GptqLayout& layout, const GridCodes& grid);

}  // namespace assay
