#pragma once
// Sparse matrices of compressed-tensors, of any element type:
//   bitmask     U8 [rows, ceil(cols / 8)]: bit k of byte m is column 8m + k
//   shape       I64 [2] (or [2, 1]): rows, cols
//   sparse-24-bitmask  compressed [rows, cols / 2]: of every 4 columns the two of the largest |x|
//   sparse-bitmask     compressed [n]: all non-zeros, row after row; row_offsets I64 [rows]

#include <string_view>
#include <vector>

#include "pack/parts.h"

namespace assay {

enum class SparseFormat { kNone, k24Bitmask, kBitmask };

// Error(kCorruptFile) names the part and what does not fit.
LinearShape sparse_shape(SparseFormat format, const StoredParts& parts);

// The dense matrix "weight". Error(kCorruptFile) also where the mask does not count as many
// elements as there are, or sets bits behind the last column.
OwnedPart sparse_unpack(SparseFormat format, const StoredParts& parts);

// The parts of a dense matrix of F32, F16, BF16, I8 or an 8-bit float. k24Bitmask keeps two of
// every 4, of equal magnitudes the lower column; Error(kBadInput) where a third is not zero, or the
// columns are no multiple of 4.
OwnedParts sparse_pack(SparseFormat format, const StoredPart& weight);

}  // namespace assay
