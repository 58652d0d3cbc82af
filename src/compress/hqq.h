#pragma once
// Half-quadratic quantization: round to nearest on a uniform grid whose zero point is moved, by a
// few closed-form steps, to where the weights' error is smallest; no data is needed.
// Source: Badri and Shaji, Half-Quadratic Quantization of Large Machine Learning Models, Mobius
// Labs, 2023, and its released code.

#include <ATen/core/Tensor.h>

#include "compress/scalar_quantizer.h"

namespace assay {

struct HqqConfig {
  int64_t bits = 4;         // in [2, 8]
  int64_t group_size = 64;  // columns that share scale and zero, along a row; -1 = the whole row
  double p = 0.7;           // the loss is sum |error|^p, p in (0, 1]
  double beta = 10;         // weight of the quadratic term in the first step, positive
  double kappa = 1.01;      // its growth from step to step, at least 1
  int64_t iterations = 20;  // steps at most; 0 is round to nearest
  // Quirk of the reference (--parity last_zero): the zero that the last step proposed, whose error
  // was never looked at, instead of the best one.
  bool parity_last_zero = false;
};

struct HqqResult {
  at::Tensor codes;                   // [out_features, in_features] uint8
  QuantGrid grid;                     // as fitted by fit_grid, but zero is any real number
  at::Tensor values;                  // [out_features, in_features] float32: scale * (code - zero)
  double first_error = 0, error = 0;  // mean |weight - value| of round to nearest and of the result
  int64_t iterations = 0;             // steps that were computed
};

// Quantizes weight W [out_features, in_features] (floating point; not modified). Scales s are those
// of the asymmetric scalar quantizer and stay; zeros z start as its own. Step t = 0, 1, ...:
//   Q = clamp(round(W / s + z), 0, 2^bits - 1),  V = s (Q - z)
//   E = shrink(W - V),  shrink(x) = sign(x) max(0, |x| - |x|^(p-1) / (beta kappa^t))
//   z <- mean over the group of Q - (W - E) / s
// until mean |W - V| over the matrix no longer falls or `iterations` steps are done. The result has
// the zeros with the least mean |W - V|, the first of equals: never a greater one than round to
// nearest. Elements in float32, rounding half to even; means in float64 by row; the same bits for
// any number of threads. Zero is a level only by chance: pruned weights do not stay zero.
// Error(kBadInput) on a wrong range or shape, or a weight that is not finite.
HqqResult hqq_quantize(const at::Tensor& weight, const HqqConfig& config);

// Bits per weight of a row: codes, and 16 bits each for a group's scale and zero.
double hqq_bits(int64_t in_features, const HqqConfig& config);

}  // namespace assay
