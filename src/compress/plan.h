#pragma once
// What a compression will do and need, before any weight is read.

#include <cstdint>

#include "compress/memory_plan.h"
#include "compress/methods.h"
#include "compress/options.h"
#include "model/checkpoint.h"

namespace assay {

struct CompressionPlan {
  int64_t num_layers = 0, num_linears = 0, linear_elements = 0;
  int64_t calibration_sequences = 0, calibration_tokens = 0;  // 0 for a method without calibration
  MemoryPlan memory;
  int64_t output_bytes = 0;  // of the tensors to be written
  double gflop = 0;          // of forward and backward passes, factors and sweeps
};
// Error(kBadInput) as require_fits and plan_memory.
CompressionPlan plan_compression(const Checkpoint& checkpoint, const MethodConfig& config,
                                 const CalibrationSize& calibration,
                                 const CompressOptions& options);

// Error(kBadInput) where settings name tensors that the model does not have: bits for a pattern
// that fits no linear.
void require_fits(const MethodConfig& config, const ModelConfig& model);

// Whether so much work is worth a journal: some minutes of it.
bool is_worth_a_journal(double gflop);

}  // namespace assay
