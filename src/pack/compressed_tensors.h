#pragma once
// The layouts of compressed-tensors (llm-compressor) for weights.
//   pack-quantized   weight_packed I32 [out, words]  code + 2^(bits - 1), along the inputs
//                    weight_scale [out, groups], [out, 1] or [1]
//                    weight_zero_point I32 [words, groups] packed along the outputs; asymmetric
//                    only weight_g_idx I32 [in] with actorder "group"; weight_shape I64 [2]
//   int-quantized    weight I8 [out, in], weight_scale, weight_zero_point I8
//   float-quantized  weight F8_E4M3, weight_scale          (pack/float8.h)
//   naive-quantized  the same two, by the type of the config
//   nvfp4-pack-quantized, mxfp4-pack-quantized            (pack/float4.h)
//   marlin-24                                             (pack/marlin.h)
// value = (code - zero) * scale. Releases up to 0.13 let no field cross a word, those of today pack
// a bit stream; they differ for 3, 5, 6 and 7 bits and are told apart by the number of words.
// Under a sparsity config the "weight" of a format, or a dense one, lies in the parts of
// pack/bitmask.h.

#include <cstdint>
#include <span>
#include <string>
#include <variant>

#include "pack/bit_fields.h"
#include "pack/bitmask.h"
#include "pack/float4.h"
#include "pack/float8.h"
#include "pack/grid_codes.h"
#include "pack/marlin.h"
#include "pack/parts.h"
#include "pack/scale_grid.h"

namespace assay {

// Integers, with the range -2^(bits - 1) ... 2^(bits - 1) - 1.
struct CtInteger {
  int64_t bits = 4;
  BlockShape block = {1, 128};
  bool symmetric = true;
  bool is_packed = true;  // pack-quantized, else int-quantized
};

struct CtDense {};  // weights as they are: only sparsity is packed

struct CompressedTensorsLayout {
  std::variant<CtInteger, Float8Layout, Float4Kind, Marlin24Layout, CtDense> weights;
  SparseFormat sparsity = SparseFormat::kNone;
};

// Error(kCorruptFile) names the part and both shapes.
LinearShape compressed_tensors_shape(const CompressedTensorsLayout& layout,
                                     const StoredParts& parts);
void compressed_tensors_values(const CompressedTensorsLayout& layout, const StoredParts& parts,
                               std::span<float> values);

// Codes are offset by 2^(bits - 1), as they are stored: an integer c is the code c + 2^(bits - 1).
GridCodes ct_integer_unpack(const CtInteger& layout, const StoredParts& parts);

// Scales are stored as `scale_dtype` ("F32", "F16", "BF16"). `straddling` matters for
// pack-quantized. Error(kBadInput): groups that the layout cannot say, a zero that does not fit, a
// scale beyond the dtype.
OwnedParts ct_integer_pack(const CtInteger& layout, const GridCodes& grid,
                           std::string_view scale_dtype, Straddling straddling);

}  // namespace assay
