#pragma once
// NF4 and FP4: blocks of a weight, each scaled by its largest magnitude to [-1, 1], every weight to
// the nearest of 16 fixed values; no data is needed. With double quantization the scales are
// quantized too. Source: Dettmers et al., QLoRA, NeurIPS 2023, arXiv:2305.14314; the thresholds and
// FP4 follow bitsandbytes, whose checkpoints hold what is computed here.

#include <ATen/core/Tensor.h>

#include <array>
#include <optional>

namespace assay {

// NF4: quantiles of a normal. FP4: sign, then 0, 1/192, 2/3, 1, 1/3, 1/2, 1/6, 1/4 by the lower
// three bits.
enum class Codebook { kNf4, kFp4 };

struct CodebookConfig {
  Codebook codebook = Codebook::kNf4;
  int64_t block_size = 64;    // weights that share a scale: a power of two in [32, 4096]
  bool double_quant = false;  // scales in 8 bits, 256 of them with a scale and all with an offset
};

// The scales under double quantization: scale b is dynamic_map()[codes[b]] * absmax[b / 256] +
// offset.
struct NestedAbsmax {
  at::Tensor codes;   // [blocks] uint8
  at::Tensor absmax;  // [ceil(blocks / 256)] float32
  float offset = 0;   // mean of the scales
};

struct CodebookResult {
  at::Tensor codes;   // [out_features, in_features] uint8, 0 ... 15
  at::Tensor absmax;  // [blocks] float32: what the values of a block are multiplied by
  std::optional<NestedAbsmax> nested;  // with double_quant: how absmax is stored
  at::Tensor values;  // [out_features, in_features] float32: what the codes stand for
};

inline constexpr int64_t kNestedBlock = 256;

// The 16 values of a codebook by code, and the 256 values of the scales' map, ascending.
const std::array<float, 16>& codebook_values(Codebook codebook);
const std::array<float, 256>& dynamic_map();

// Quantizes weight [out_features, in_features] (floating point; not modified). Blocks run over the
// row-major matrix, across rows; the last may be shorter. Per block, in float32:
//   absmax = max |w|,  code = nearest codebook value to w * (1 / absmax),  value = codebook[code] *
//   absmax
// A weight half-way between two values takes the lower one in NF4 and the one nearer to zero in
// FP4. A block of zeros has absmax 0 and the code of 0: 7 in NF4, 0 in FP4. Codes never depend on
// double_quant, values do. Error(kBadInput) on a wrong block size, shape or dtype, or a weight that
// is not finite. The same bits for any number of threads.
CodebookResult codebook_quantize(const at::Tensor& weight, const CodebookConfig& config);

// Values [out_features, in_features] float32 of codes under scales as above. Error(kBadInput) on
// shapes that do not belong together or a code above 15.
at::Tensor codebook_dequantize(const at::Tensor& codes, const at::Tensor& absmax,
                               const CodebookConfig& config);

// Scales [blocks] float32 -> their stored form and back. Nearest value of the map to (absmax -
// offset) * (1 / largest magnitude of 256), the lower of equals.
NestedAbsmax nest_absmax(const at::Tensor& absmax);
at::Tensor unnest_absmax(const NestedAbsmax& nested);

// Codes [out, in] two to a byte, the first in the high nibble: [ceil(n / 2), 1] uint8, as stored.
// An odd last byte ends in the code of 0.
at::Tensor pack_codes(const at::Tensor& codes, Codebook codebook);

// Bits per weight: 4 + 32 / block_size, with double_quant 4 + 8 / block_size + 32 / (256 *
// block_size).
double codebook_bits(const CodebookConfig& config);

}  // namespace assay
