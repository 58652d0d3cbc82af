#pragma once
// The second moments of a linear's inputs: what a change of its weights costs.
//   H = (2 / S) * sum over calibration sequences s of X_s X_s^T
// with X_s [in_features, tokens of s]. Source: Frantar et al., ICLR 2023, arXiv:2210.17323, and
// Frantar & Alistarh, ICML 2023, arXiv:2301.00774 (released code).

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "kernels/gemm.h"

namespace assay {

// Takes in sequences one after another. An entry is the sum over sequences, in order, of the fixed
// float32 chains of kernels/gemm.h, so that neither threads nor the cut of sequences into calls
// change a bit of it. Half of the products are formed: H is symmetric.
class InputHessian {
 public:
  // Memory that calls use again, whatever Hessian they are of.
  using Scratch = kernels::PackedWeight;

  // input [rows, in_features] float32: whole sequences of `sequence_rows` rows each, one after
  // another. Error(kBadInput) on another dtype or width, or rows that do not add up.
  void add(const at::Tensor& input, std::span<const int64_t> sequence_rows, Scratch& scratch);
  void add(const at::Tensor& input, std::span<const int64_t> sequence_rows) {
    Scratch scratch;
    add(input, sequence_rows, scratch);
  }

  // [in_features, in_features] float32, symmetric to the bit. Error(kBadInput) names the first
  // channel that met a NaN or an infinity, and when nothing was added.
  at::Tensor hessian() const;

 private:
  at::Tensor upper_;  // [in, in]: sum of X_s X_s^T, blocks above the diagonal and on it
  int64_t num_sequences_ = 0;
};

}  // namespace assay
