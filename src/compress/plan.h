#pragma once
// What a compression is told, and what it will do and need before any weight is read.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "compress/methods.h"
#include "model/checkpoint.h"

namespace assay {

class SharedWork;

struct CompressOptions {
  std::string save_dtype = "float32";  // "float32", "bfloat16" or "float16"
  int64_t batch_tokens = 2048;         // rows of a forward pass; bounds memory, changes no result
  // Where finished blocks are kept until the checkpoint is written, so that a killed run goes on
  // behind them; empty = nowhere. Who gives a folder removes it (remove_block_journal).
  std::filesystem::path journal = {};
  SharedWork* shared = nullptr;  // with other variants of this checkpoint and calibration
  // Units of work done, all units, and what is under way; units are proportional to time.
  std::function<void(double done, double total, const std::string& stage)> on_progress = {};
};

struct CompressionPlan {
  int64_t num_layers = 0, num_linears = 0, linear_elements = 0;
  int64_t calibration_sequences = 0, calibration_tokens = 0;  // 0 for a method without calibration
  int64_t memory_bytes = 0;  // most at one time, the mapped file apart
  int64_t output_bytes = 0;  // of the tensors to be written
  double gflop = 0;          // of forward and backward passes, factors and sweeps
};
CompressionPlan plan_compression(const Checkpoint& checkpoint, const MethodConfig& config,
                                 int64_t samples, int64_t length, const CompressOptions& options);

// Error(kBadInput) where settings name tensors that the model does not have: bits for a pattern
// that fits no linear.
void require_fits(const MethodConfig& config, const ModelConfig& model);

// Whether so much work is worth a journal: some minutes of it.
bool is_worth_a_journal(double gflop);

}  // namespace assay
