#pragma once
// How strongly the language-model loss depends on each weight, sample by sample: what GBLM weighs
// weights with.
//   g_s = d(mean over the length - 1 targets of the cross entropy of sample s) / dW
//   L1 = sum over samples of |g_s|      L2 = sqrt(sum over samples of g_s^2)
// Source: Das et al., Beyond Size: How Gradients Shape Pruning Decisions in Large Language Models,
// arXiv:2311.04902 (released code).
//
// The chain rule is written out block by block in the project's own products (kernels/gemm.h,
// kernels/backward.h), so all results are the same bits for any number of threads. At any time one
// block's weights, the aggregates of one block and the activations of one sample are held; the
// hidden states between all blocks are held for all samples, in memory or in a file.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/scratch_memory.h"
#include "model/checkpoint.h"

namespace assay {

enum class GradientNorm { kL1, kL2 };

// Both [out_features, in_features], float32; float16 with reference_scale.
struct GradientAggregate {
  at::Tensor l1, l2;
  const at::Tensor& of(GradientNorm norm) const { return norm == GradientNorm::kL1 ? l1 : l2; }
};

// The sums over samples of one linear. With a reference_scale they are kept as in the reference: g
// rounds to float16, L1 sums |scale * g| in float16, L2 sums (scale * g)^2 in float32 and its root
// rounds to float16.
class GradientSums {
 public:
  GradientSums(int64_t out_features, int64_t in_features, std::optional<double> reference_scale);

  void add(const at::Tensor& gradient);  // of a sample, [out_features, in_features] float32
  // Nothing may be added afterwards: L1 may be the sums themselves. Error(kBadInput) on a sum that
  // is not finite.
  GradientAggregate finish() const;

 private:
  void add_as_reference(const float* g, int64_t first, int64_t last, float* l1,
                        float* squares) const;

  std::optional<double> scale_;
  at::Tensor l1_, squares_;
};

struct GradientOptions {
  ScratchPlace place = {};  // of the hidden states between blocks
  // Set, sums are kept as in the reference (GradientSums).
  std::optional<double> reference_scale = std::nullopt;
  // Told after every sample of every pass, in GFLOP of products, with what is being done.
  std::function<void(double done, double total, const std::string& stage)> on_progress = {};
};

// Given the finished aggregates of a linear ("mlp.up_proj"): layers from last to first, within one
// in module order.
using GradientSink =
    std::function<void(int64_t layer, std::string_view linear, const GradientAggregate& aggregate)>;

// Error(kBadInput) names what of a model no gradient is computed through.
void require_gradients(const ModelConfig& config);

// The losses of the samples (nats per target), in order. Error(kBadInput): no sequence, one of
// fewer than two ids, an id outside the vocabulary, no room for the hidden states; hidden states or
// gradients that are not finite, by layer.
std::vector<double> aggregate_gradients(const Checkpoint& checkpoint,
                                        const std::vector<std::vector<int32_t>>& sequences,
                                        const GradientSink& sink,
                                        const GradientOptions& options = {});

// Bytes of hidden states that aggregate_gradients holds for `tokens` tokens: 4 * (layers + 1) *
// tokens * hidden_size.
uint64_t gradient_state_bytes(const ModelConfig& config, int64_t tokens);

// GFLOP of products for `tokens` tokens, attention left out as in calibration_gflop: blocks
// forward, forward again but for down_proj, and back twice (inputs and weights); the head forward
// and back.
double gradient_gflop(const ModelConfig& config, int64_t tokens);

}  // namespace assay
