#pragma once
// How large the inputs of a linear are, channel by channel: what Wanda weighs weights with.
//   a_j = mean over calibration sequences of the sum over tokens of x_j^2
// Source: Sun et al., ICLR 2024, arXiv:2306.11695 (released code).

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace assay {

enum class NormSum {
  kDouble,            // sums in float64, in the order of the tokens
  kFloatRunningMean,  // float32: a <- a * n / (n + 1) + ||x||^2 / (n + 1) per sequence, as the
                      // reference
};

// Takes in sequences one after another; channels are summed in parallel, each in one fixed order,
// so the result depends neither on threads nor (kDouble) on how the sequences were cut into calls.
class InputNorms {
 public:
  explicit InputNorms(NormSum sum = NormSum::kDouble) : sum_(sum) {}

  // input [rows, in_features] float32: whole sequences of `sequence_rows` rows each, one after
  // another. Error(kBadInput) on another dtype or width, or rows that do not add up.
  void add(const at::Tensor& input, std::span<const int64_t> sequence_rows);

  // sqrt(a_j): [in_features] float32. Error(kBadInput) names the first channel that met a NaN or an
  // infinity, and when nothing was added.
  at::Tensor norms() const;

 private:
  NormSum sum_;
  int64_t num_sequences_ = 0;
  std::vector<double> sums_;  // kFloatRunningMean: a_j, each a float32 value
};

}  // namespace assay
