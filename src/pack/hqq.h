#pragma once
// The layout of HQQ's linears as transformers stores them, axis 1 (groups along the inputs), rows
// of one group each:
//   W_q U8  b = 8: [rows, g]; 4: [rows / 2, g], the first half of the rows in the high nibbles;
//           2: [rows / 4, g] and 1: [rows / 8, g] alike, the first part in the highest bits
//   scale, zero [rows, 1] F16, BF16 or F32; shape I64 [2]; axis, nbits, ... as tensors
// value = (code - zero) * scale; zeros are any numbers.

#include <cstdint>

#include "pack/grid_codes.h"
#include "pack/parts.h"

namespace assay {

struct HqqLayout {
  int64_t bits = 4;         // 1, 2, 4, 8
  int64_t group_size = 64;  // -1 = all inputs
};

// Error(kCorruptFile) names the part and both shapes.
LinearShape hqq_shape(const HqqLayout& layout, const StoredParts& parts);
GridCodes hqq_unpack(const HqqLayout& layout, const StoredParts& parts);

}  // namespace assay
