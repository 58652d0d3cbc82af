#pragma once
// A quantized linear apart from the layout of a file: what methods hand to an export, and what a
// conversion carries from one layout to another.

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "pack/bitsandbytes.h"
#include "pack/grid_codes.h"
#include "pack/packed_layout.h"

namespace assay {

// monostate: values alone.
using LinearCodes = std::variant<std::monostate, GridCodes, RowCodes, FourBitCodes, Float8Codes>;

// What a file holds; monostate of layouts whose codes no other layout takes.
LinearCodes linear_codes(const PackedLayout& layout, const StoredParts& parts);

// Columns that share a scale of a grid; -1 = all, and for layouts without grids.
int64_t group_size_of(const PackedLayout& layout);

// The parts of a linear in a layout. `weight` are its float32 values, which FP8 layouts round
// (unless there are codes whose scales serve) and sparse ones store in `dtype` ("F32", "BF16",
// "F16"; that of scales, too, where a layout does not say); the others need codes. Error(kBadInput)
// says what the layout cannot hold, Error(kInternal) where codes are of another kind.
OwnedParts pack_linear(const PackedLayout& layout, const LinearCodes& codes, LinearShape shape,
                       std::span<const float> weight, std::string_view dtype);

}  // namespace assay
