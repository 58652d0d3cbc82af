#pragma once
// AWQ's scale search for the two pairs whose inspected module is more than one linear: q, k, v by
// the output of the attention, gate and up by the output of the MLP. The module runs on the tokens
// with every candidate's weights; the dense intermediate is known, so that only its change passes
// through the last linear.

#include <ATen/core/Tensor.h>

#include <vector>

#include "compress/awq_scale.h"
#include "model/block.h"

namespace assay {

struct AttentionModule {
  at::Tensor q_proj, k_proj, v_proj, o_proj;  // [out, in] float32
  at::Tensor normed;                          // [tokens, hidden_size]: what q, k and v are given
  at::Tensor attended;                        // [tokens, heads * head_dim]: what o is given
  std::vector<int64_t> sequence_rows;         // sequences one after another, all from position 0
  std::vector<at::Tensor> biases = {{}, {}, {}};  // of q, k and v; undefined where there is none
  HeadNorms head_norms = {};
  int64_t window = 0;
};

struct MlpModule {
  at::Tensor gate_proj, up_proj, down_proj;   // [out, in] float32
  at::Tensor normed;                          // [tokens, hidden_size]: what gate and up are given
  at::Tensor gated;                           // [tokens, intermediate_size]: what down is given
  std::vector<at::Tensor> biases = {{}, {}};  // of gate and up
  kernels::Activation activation = kernels::Activation::kSilu;
};

// Losses as if all tokens were seen at every point (compress/awq_scale.h, least_loss); those of the
// MLP in order of falling |gated|, so that the points which cannot win are left off sooner. The
// same bits for any number of threads. Error(kBadInput) on wrong shapes or values.
ScaleChoice search_attention_scale(const AttentionModule& module, const ModelConfig& model,
                                   AwqScaleRule rule, const AwqQuantizerConfig& config);
ScaleChoice search_mlp_scale(const MlpModule& module, AwqScaleRule rule,
                             const AwqQuantizerConfig& config);

// Their definitions: every token at every point. For tests and benchmarks.
ScaleChoice search_attention_scale_plain(const AttentionModule& module, const ModelConfig& model,
                                         AwqScaleRule rule, const AwqQuantizerConfig& config);
ScaleChoice search_mlp_scale_plain(const MlpModule& module, AwqScaleRule rule,
                                   const AwqQuantizerConfig& config);

}  // namespace assay
