#pragma once
// What a compression has finished, block by block: a killed one goes on behind the last finished
// block, with identical results.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "calibration/hidden_states.h"
#include "compress/report.h"

namespace assay {

// A finished block: its tensors as they were written, and what the report says of it.
struct FinishedBlock {
  std::vector<std::pair<std::string, at::Tensor>> tensors;  // float32
  CompressionReport report;                                 // linears and folded norms
};

class BlockJournal {
 public:
  // `identity` is everything that the results depend on: method, settings, weights, calibration,
  // dtype, version. The folder is made where it is absent; files of another identity, or damaged
  // ones, are removed. Error(kBadInput) when it cannot be written.
  BlockJournal(std::filesystem::path folder, const std::string& identity);

  int64_t num_finished() const { return num_finished_; }
  FinishedBlock block(int64_t layer) const;  // of [0, num_finished())

  bool has_states() const;  // behind the last finished block
  void clear();             // nothing is finished

  // The hidden states behind the last finished block, into batches cut the same way.
  // Error(kCorruptFile) where they are not those.
  void read_states(std::vector<CalibrationBatch>& batches) const;

  // Block num_finished() is finished, `batches` behind it (none where there is no calibration, or
  // behind the last block). On disk when it returns.
  void add(const FinishedBlock& block, const std::vector<CalibrationBatch>& batches);

 private:
  std::filesystem::path block_file(int64_t layer) const;
  std::filesystem::path states_file(int64_t layer) const;

  std::filesystem::path folder_;
  std::string identity_;
  int64_t num_finished_ = 0;
};

// When the checkpoint is written. Nothing where there is none.
void remove_block_journal(const std::filesystem::path& folder);

}  // namespace assay
