#pragma once
// The layouts of AWQ checkpoints (AutoAWQ), 4 bits, groups of g inputs:
//   GEMM  qweight I32 [in, out / 8]   eight outputs a word, output 8c + k in nibble
//                                     0 4 1 5 2 6 3 7 [k]
//         qzeros  I32 [in / g, out / 8] in the same order; scales F16 [in / g, out]
//   GEMV  qweight I32 [out, in / 8]   eight inputs a word in their order
//         qzeros  I32 [out, Wz], scales F16 [out, 8 Wz]; Wz >= in / g / 8, padded with zeros
// Zero points are stored as they are: value[o][i] = scale * (code - zero).

#include <cstdint>
#include <string>

#include "pack/grid_codes.h"
#include "pack/parts.h"

namespace assay {

enum class AwqVersion { kGemm, kGemv };

struct AwqLayout {
  int64_t group_size = 128;  // -1 = all inputs
  AwqVersion version = AwqVersion::kGemm;
};

// Checks types and shapes of all parts. Error(kCorruptFile) names the part and both shapes.
LinearShape awq_shape(const AwqLayout& layout, const StoredParts& parts);
GridCodes awq_unpack(const AwqLayout& layout, const StoredParts& parts);

// Words of zeros of a row in the GEMV version: as many as its groups need, rounded up to a multiple
// of 2 for groups of 64 and of 4 for groups of 32.
int64_t awq_gemv_zero_words(int64_t in_features, int64_t group_size);

// Why a linear of this shape and bits cannot be stored so; empty when it can.
std::string why_not_awq(const AwqLayout& layout, LinearShape shape, int64_t bits);

// Scales are rounded to float16. Error(kBadInput): the reason above, groups that do not stand one
// after another, a zero outside of [0, 15], a scale beyond float16.
OwnedParts awq_pack(const AwqLayout& layout, const GridCodes& grid);

}  // namespace assay
