#pragma once
// Size, mean and spread of the inputs of a linear, channel by channel: what DSnoT weighs swaps
// with.
// Source: Zhang et al., Dynamic Sparse No Training, ICLR 2024, arXiv:2310.08915 (released code).

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "calibration/hidden_states.h"

namespace assay {

// Each [in_features] float32. With x_j(t) the input of channel j at token t of S sequences:
struct ChannelMoments {
  at::Tensor norm;  // sqrt of the mean over sequences of sum_t x_j^2, the bits of InputNorms::norms
  at::Tensor mean;  // mean over sequences of sum_t x_j: a sum over tokens, as in norm
  at::Tensor variance;  // within sequences: sum over sequences of sum_t (x_j - sequence mean)^2,
                        // over all tokens
};

// Takes in sequences one after another. Channels are summed in parallel in float64, each in the
// order of the tokens, so the result depends neither on threads nor on how the sequences were cut
// into calls.
class InputMoments {
 public:
  // As InputNorms::add: whole sequences of `sequence_rows` rows each, one after another.
  void add(const at::Tensor& input, std::span<const int64_t> sequence_rows);

  // Error(kBadInput) names the first channel that met a NaN or an infinity, and when nothing was
  // added.
  ChannelMoments moments() const;

 private:
  int64_t num_sequences_ = 0, num_tokens_ = 0;
  std::vector<double> squares_;  // sum of x^2
  std::vector<double> sums_;     // sum of x
  std::vector<double> between_;  // sum over sequences of (sum of x)^2 / tokens
};

// Of the seven linears of a block for the hidden states that enter it, as block_input_norms.
std::map<std::string_view, ChannelMoments> block_input_moments(
    const Block& block, const ModelConfig& config, const std::vector<CalibrationBatch>& batches);

}  // namespace assay
