#pragma once
// Weights in 4-bit floats (E2M1: 0, .5, 1, 1.5, 2, 3, 4, 6 and a sign), two a byte, the first in
// the low nibble; groups of a row share a scale.
//   NVFP4 of compressed-tensors  weight_packed U8 [out, in / 2], weight_scale F8_E4M3 [out, in /
//   16]
//                                weight_global_scale F32 [1]: value = code * (scale / global)
//   NVFP4 of ModelOpt            weight U8, weight_scale the same, weight_scale_2 F32:
//                                value = code * (scale * scale_2)
//   MXFP4                        weight_packed U8, weight_scale U8 (E8M0: 2^(s - 127)) [out, in /
//   32]
// GPT-OSS stores MXFP4 as ..._blocks U8 [..., G, 16] and ..._scales U8 [..., G]: the same bytes.

#include <span>
#include <string_view>

#include "pack/parts.h"

namespace assay {

enum class Float4Kind { kNvfp4, kNvfp4ModelOpt, kMxfp4 };

std::string_view name_of(Float4Kind kind);  // "NVFP4", "MXFP4"

// Error(kCorruptFile) names the part and both shapes.
LinearShape float4_shape(Float4Kind kind, const StoredParts& parts);
void float4_values(Float4Kind kind, const StoredParts& parts, std::span<float> values);

// kNvfp4: global = 448 * 6 / largest |w|, scale = E4M3 of global * (largest |w| of 16) / 6.
// kMxfp4: scale = the power of two floor(log2(largest |w| of 32)) - 2 (OCP MX).
OwnedParts float4_pack(Float4Kind kind, LinearShape shape, std::span<const float> weight);

}  // namespace assay
