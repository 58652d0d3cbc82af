#pragma once
// Round to nearest: every weight to the closest level of its group's grid; no data is needed. What
// published tables call "RTN" is this with group_size -1, asymmetric, without the search (the
// option of the GPTQ code, Frantar et al., ICLR 2023, arXiv:2210.17323).

#include <ATen/core/Tensor.h>

#include <optional>

#include "compress/mask_source.h"
#include "compress/nm_pattern.h"
#include "compress/scalar_quantizer.h"

namespace assay {

// With a mask, weights that it prunes are zero and stay so.
struct RtnConfig : QuantizerConfig {
  MaskSource mask = MaskSource::kNone;
  double sparsity = 0.5;  // of the mask
  std::optional<NmPattern> pattern = std::nullopt;
};

struct RtnResult {
  at::Tensor codes;  // [out_features, in_features] uint8
  QuantGrid grid;
  at::Tensor values;  // [out_features, in_features] float32: what the codes stand for
};

// Quantizes weight [out_features, in_features] (floating point; not modified). |w - value| <= scale
// / 2 unless w lies outside the grid (largest weight of a symmetric group, or a range shrunken by
// the search). Errors as in fit_grid.
RtnResult rtn_quantize(const at::Tensor& weight, const RtnConfig& config);

}  // namespace assay
