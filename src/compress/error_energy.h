#pragma once
// How much errors in rows of a weight change its output: sum over tokens of (d . x)^2, for one
// linear seen alone. Two forms with the same meaning: over the tokens themselves, or d G d^T with
// the Gram matrix G = sum of x x^T formed once, which no longer depends on the number of tokens.

#include <ATen/core/Tensor.h>

#include <vector>

#include "kernels/gemm.h"

namespace assay {

enum class EnergyForm { kTokens, kGram };

// The form with fewer products when `num_rows` rows of errors will be asked about.
EnergyForm cheaper_energy_form(int64_t num_tokens, int64_t in_features, int64_t num_rows);

// Sum of the squares of a float32 matrix, in float64, the same bits for any number of threads.
double sum_of_squares(const at::Tensor& matrix);

class ErrorEnergy {
 public:
  // inputs [tokens, in_features] float32, finite (else Error(kBadInput)). kTokens keeps them; kGram
  // forms half of G (float32, in_features^2 / 2 entries) and lets them go.
  ErrorEnergy(const at::Tensor& inputs, EnergyForm form);

  // errors [rows, in_features] float32 -> the sum over rows and tokens, >= 0. Products in float32
  // in the fixed order of kernels/gemm.h, summed in float64: the same bits for any number of
  // threads.
  double operator()(const at::Tensor& errors) const;

 private:
  double over_tokens(const at::Tensor& errors) const;
  double over_gram(const at::Tensor& errors) const;

  EnergyForm form_;
  int64_t in_features_;
  at::Tensor inputs_;  // kTokens
  // kGram: rows [768 b, 768 (b + 1)) of the lower triangle of G, up to the diagonal block; entries
  // off the diagonal doubled, those above it 0, so that d G d^T = sum_i d_i (lower d)_i.
  std::vector<kernels::PackedWeight> lower_;
};

}  // namespace assay
