#pragma once
// What a compression is told beside its method.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "pack/linear_codes.h"

namespace assay {

class SharedWork;

struct CompressOptions {
  std::string save_dtype = "float32";  // "float32", "bfloat16" or "float16"
  int64_t batch_tokens = 2048;         // rows of a forward pass; bounds memory, changes no result
  // Bytes that the process may hold; 0 = what the machine has free. What the plan says is above
  // goes to a file: gradients, then hidden states. Results are the same bits.
  int64_t memory_limit = 0;
  std::filesystem::path spill_folder = {};  // of those files; empty = the system's temporary one
  // Where finished blocks are kept until the checkpoint is written, so that a killed run goes on
  // behind them; empty = nowhere. Who gives a folder removes it (remove_block_journal).
  std::filesystem::path journal = {};
  // Takes each compressed linear with its codes and returns, in float32, what a packed file holds
  // of it: that is what is reported, written and seen by the blocks behind. Empty: nothing is
  // packed. Excludes a journal, which holds values alone.
  std::function<at::Tensor(const std::string& name, const at::Tensor& weight,
                           const LinearCodes& codes)>
      pack = {};
  SharedWork* shared = nullptr;  // with other variants of this checkpoint and calibration
  // Units of work done, all units, and what is under way; units are proportional to time.
  std::function<void(double done, double total, const std::string& stage)> on_progress = {};
};

}  // namespace assay
