#pragma once
// SmoothQuant: move the outliers of activations into weights, so that both fit 8 bits.
//   s_j = max |x_j|^alpha / max_r |W_rj|^(1 - alpha),  norm / s,  W diag s
// applied behind the two norms of a block: q, k, v and gate, up; o and down keep their inputs.
// Source: Xiao et al., SmoothQuant, ICML 2023, arXiv:2211.10438, and its released code.

#include <ATen/core/Tensor.h>

#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "calibration/hidden_states.h"
#include "compress/block_weights.h"

namespace assay {

struct SmoothQuantConfig {
  double alpha = 0.5;  // in [0, 1]: how much of the difficulty the weights take over
};

// s [in_features] float32 for consumers of one input.
//   input_max  [in_features] float32  max |x_j| over the calibration tokens
//   weights    [*, in_features] float32 each; their column maxima are taken jointly, at least 1e-5
// s is at least 1e-5. Error(kBadInput) on a wrong shape or range, or a value that is not finite.
at::Tensor smoothing_scale(const at::Tensor& input_max, std::span<const at::Tensor> weights,
                           const SmoothQuantConfig& config);

// max |x_j| at the inputs of the seven linears of a dense block, by linear, [in_features] float32.
// Error(kBadInput) names the linear whose input is not finite.
std::map<std::string_view, at::Tensor> block_input_maxima(
    const Block& block, const ModelConfig& config, const std::vector<CalibrationBatch>& batches);

struct SmoothedBlock {
  BlockWeights weights;
  at::Tensor attention_scale, mlp_scale;  // [hidden_size]: s of q, k, v and of gate, up
};

// Smooths a block: what it computes is unchanged but for rounding. The dense block's maxima serve
// all blocks, so the order of blocks is free.
SmoothedBlock smooth_block(const BlockWeights& weights,
                           const std::map<std::string_view, at::Tensor>& input_maxima,
                           const SmoothQuantConfig& config);

// Symmetric 8-bit rows: code = round(x / scale), scale = max(largest |x| of the row, 1e-5) / 127,
// half to even, no zero. For weights a row is an output channel; for activations it is a token, its
// scale found as it comes (dynamic). The product of both is kernels/int8_mixed's with no outlier
// columns; `values` is what an evaluation in float32 computes with.
struct Int8Rows {
  at::Tensor codes;   // [rows, cols] int8 in [-127, 127]
  at::Tensor scale;   // [rows] float32
  at::Tensor values;  // [rows, cols] float32: codes * scale
};

// matrix [rows, cols], floating point, computed in float32; rows in parallel, the same bits for any
// number of threads. Error(kBadInput) where it is not finite or not a matrix.
Int8Rows quantize_rows_int8(const at::Tensor& matrix);

}  // namespace assay
