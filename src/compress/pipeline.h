#pragma once
// A model through a method, block by block: one block's weights and the calibration's hidden states
// are in memory.
//
//   for each block: (1) statistics of its linears, dense, on hidden states behind the compressed
//   blocks before it
//                   (2) compress and write each linear   (3) hidden states pass through the
//                   compressed block
//
// Data-free methods need (2) alone. Embeddings, norms and the head are copied (permuted by the
// control `permute`).

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <string>

#include "compress/methods.h"
#include "compress/report.h"
#include "data/calibration_text.h"
#include "model/checkpoint.h"

namespace assay {

// Takes every tensor of the new checkpoint once, when it is finished: float32, with values that
// `save_dtype` holds.
using TensorSink = std::function<void(const std::string& name, const at::Tensor& tensor)>;

struct CompressOptions {
  std::string save_dtype = "float32";  // "float32", "bfloat16" or "float16"
  int64_t batch_tokens = 2048;         // rows of a forward pass; bounds memory, changes no result
  // Where finished blocks are kept until the checkpoint is written, so that a killed run goes on
  // behind them; empty = nowhere. Who gives a folder removes it (remove_block_journal).
  std::filesystem::path journal = {};
  // Units of work done, all units, and what is under way; units are proportional to time.
  std::function<void(double done, double total, const std::string& stage)> on_progress = {};
};

// What a run will do and need, before any weight is read.
struct CompressionPlan {
  int64_t num_layers = 0, num_linears = 0, linear_elements = 0;
  int64_t calibration_sequences = 0, calibration_tokens = 0;  // 0 for a method without calibration
  int64_t memory_bytes = 0;  // most at one time, the mapped file apart
  int64_t output_bytes = 0;  // of the tensors to be written
  double gflop = 0;          // of the forward passes
};
CompressionPlan plan_compression(const Checkpoint& checkpoint, const MethodConfig& config,
                                 int64_t samples, int64_t length, const CompressOptions& options);

// Error(kBadInput) where settings name tensors that the model does not have: bits for a pattern
// that fits no linear.
void require_fits(const MethodConfig& config, const ModelConfig& model);

// Whether so much work is worth a journal: some minutes of it.
bool is_worth_a_journal(double gflop);

// `calibration` may be null where the method needs none. Errors name layer and linear: a weight or
// an activation that is not finite, a shape that the method refuses. Error(kBadInput) when
// calibration is missing or save_dtype unknown.
CompressionReport compress(const Checkpoint& checkpoint, const MethodConfig& config,
                           const CalibrationSet* calibration, const TensorSink& write,
                           const CompressOptions& options);

// assay_provenance.json of the result: method with every setting, source and hash of its weights,
// calibration, the report layer by layer, version.
Json compression_provenance(const Checkpoint& checkpoint, const MethodConfig& config,
                            const CalibrationSet* calibration, const CompressOptions& options,
                            const CompressionReport& report);

}  // namespace assay
