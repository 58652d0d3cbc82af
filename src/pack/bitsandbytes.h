#pragma once
// The layouts of bitsandbytes.
//   8 bits   weight I8 [out, in], SCB F32 [out], weight_format U8 (0): code * (SCB / 127)
//   4 bits   weight: two codes a byte, the first in the high nibble, row-major over the matrix
//            weight.absmax F32 [blocks], or U8 under nested scales
//            weight.quant_map F32 [16]   the values of the codes
//            weight.nested_absmax F32 [ceil(blocks / 256)], weight.nested_quant_map F32 [256]
//            weight.quant_state.bitsandbytes__nf4 (or fp4) U8: a JSON text, QuantState below
// value = quant_map[code] * absmax[block], rounded to the state's dtype;
// nested: absmax = nested_quant_map[code] * nested_absmax[block / 256] + nested_offset.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pack/grid_codes.h"
#include "pack/parts.h"

namespace assay {

struct NestedScales {
  int64_t blocksize = 256;  // scales that share one
  double offset = 0;
};

struct QuantState {
  std::string quant_type = "nf4";  // or "fp4"
  int64_t blocksize = 64;          // weights
  std::string dtype = "float32";   // of the decoded weight: float32, bfloat16, float16
  LinearShape shape;
  std::optional<NestedScales> nested;
};

// The text as bitsandbytes reads and writes it, with the separators of Python's json. Error
// (kCorruptFile) names the field.
QuantState parse_quant_state(std::string_view json);
std::string to_json_text(const QuantState& state);

// A 4-bit linear as the file has it.
struct FourBitCodes {
  QuantState state;
  std::vector<uint8_t> codes;         // two each, [ceil(n / 2)]
  std::vector<float> absmax;          // without nesting, [blocks]
  std::vector<uint8_t> absmax_codes;  // with it, [blocks]
  std::vector<float> quant_map, nested_absmax, nested_quant_map;
};

// Rows in 8-bit codes: code * (absmax / 127).
struct RowCodes {
  LinearShape shape;
  std::vector<int8_t> codes;  // [out_features, in_features], in [-127, 127]
  std::vector<float> absmax;  // [out_features]
};

// Whether the parts are those of a 4-bit linear, else of an 8-bit one.
bool is_four_bit(const StoredParts& parts);

// Error(kCorruptFile) names the part and both shapes.
LinearShape int8_shape(const StoredParts& parts);
LinearShape four_bit_shape(const StoredParts& parts);
QuantState quant_state_of(const StoredParts& parts);

RowCodes int8_unpack(const StoredParts& parts);
OwnedParts int8_pack(const RowCodes& rows);

// As a grid: one group a row, code + 128 and zero 128.
GridCodes grid_of_rows(const RowCodes& rows);

FourBitCodes four_bit_unpack(const StoredParts& parts);
void four_bit_values(const FourBitCodes& packed, std::span<float> values);
OwnedParts four_bit_pack(const FourBitCodes& packed);

}  // namespace assay
