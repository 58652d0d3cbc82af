#pragma once
// What a compression holds in memory at one time, and what goes to files, before any weight is
// read. The figures are those of the process as the system counts it: its data, the program, and
// those pages of mapped files that are in use.

#include <cstdint>
#include <string>
#include <vector>

#include "compress/methods.h"
#include "compress/options.h"
#include "model/checkpoint.h"

namespace assay {

struct MemoryPart {
  std::string what;  // "hidden states"
  int64_t bytes = 0;
};

// What lies in temporary files.
struct Spill {
  bool gradients = false;  // of the whole model, and the hidden states between all blocks
  bool states = false;     // hidden states of the calibration text
};

struct MemoryPlan {
  std::string moment;             // when most is held: "while mlp.down_proj is compressed"
  std::vector<MemoryPart> parts;  // then; none of 0 bytes
  int64_t bytes = 0;              // their sum
  Spill spill;
  int64_t spilled_bytes = 0;  // of temporary files, at one time
  int64_t journal_bytes = 0;  // of the journal at its largest, 0 without one
};

struct CalibrationSize {
  int64_t sequences = 0, tokens = 0;  // 0 for a method without
  int64_t longest = 0;                // tokens of a sequence
};

CalibrationSize calibration_size(const std::vector<std::vector<int32_t>>& sequences);

// Spills what the limit (or the free memory) asks for. Error(kBadInput) when a limit was given that
// is not enough with everything in files.
MemoryPlan plan_memory(const Checkpoint& checkpoint, const MethodConfig& config,
                       const CalibrationSize& calibration, const CompressOptions& options);

}  // namespace assay
