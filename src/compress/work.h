#pragma once
// How much a compression computes, for plans and progress, and which linears it looks at together.

#include <cstdint>
#include <string_view>
#include <vector>

#include "compress/methods.h"
#include "model/config.h"

namespace assay {

// The linears of a block in the groups whose inputs are gathered in one pass: all, or (GPTQ's
// true_sequential) q, k and v; o; what reads the MLP's input; what writes its output, each behind
// the compressed ones before it.
std::vector<std::vector<std::string_view>> linears_gathered_together(const MethodConfig& config,
                                                                     const ModelConfig& model,
                                                                     MlpKind mlp);

// GFLOP of one block.
struct CompressionWork {
  double gather = 0;  // one pass that gathers statistics
  double num_gathers = 0;
  double compress = 0;  // of all linears
  double pass = 0;      // the pass through the compressed block
  double outliers = 0;  // OWL's look at the dense block
  // Of the whole model:
  double gradients = 0;

  double total(int64_t num_layers) const;  // the last block is not passed through
};

// `tokens` of calibration; 0 for a method without.
CompressionWork compression_work(const MethodConfig& config, const ModelConfig& model,
                                 int64_t tokens);

}  // namespace assay
