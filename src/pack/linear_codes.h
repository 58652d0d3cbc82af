#pragma once
// A quantized linear before it is laid out for a file: what methods hand to an export.

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "pack/bitsandbytes.h"
#include "pack/grid_codes.h"
#include "pack/packed_layout.h"

namespace assay {

// Rows in 8-bit codes: code * (absmax / 127).
struct RowCodes {
  LinearShape shape;
  std::vector<int8_t> codes;  // [out_features, in_features], in [-127, 127]
  std::vector<float> absmax;  // [out_features]
};

// monostate: values alone.
using LinearCodes = std::variant<std::monostate, GridCodes, RowCodes, FourBitCodes>;

// The parts of a linear in a layout. `weight` are its float32 values, which FP8 layouts round and
// sparse ones store in `dtype` ("F32", "BF16", "F16"; that of scales, too, where a layout does not
// say); the others need codes. Error(kBadInput) says what the layout cannot hold, Error(kInternal)
// where codes are of another kind.
OwnedParts pack_linear(const PackedLayout& layout, const LinearCodes& codes, LinearShape shape,
                       std::span<const float> weight, std::string_view dtype);

}  // namespace assay
