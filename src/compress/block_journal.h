#pragma once
// What a compression has finished, block by block, and the gradients that it computed first: a
// killed one goes on behind the last finished block, with identical results.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "calibration/gradient_store.h"
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

  // Error(kBadInput) where the disk has no room for it to grow to this size.
  void require_room(int64_t bytes) const;

  int64_t num_finished() const { return num_finished_; }
  FinishedBlock block(int64_t layer) const;  // of [0, num_finished())

  bool has_states() const;  // behind the last finished block
  void clear();             // no block is finished; gradients stay

  // The hidden states behind the last finished block, into batches cut the same way.
  // Error(kCorruptFile) where they are not those.
  void read_states(std::vector<CalibrationBatch>& batches) const;

  // Block num_finished() is finished, `batches` behind it (none where there is no calibration, or
  // behind the last block). On disk when it returns.
  void add(const FinishedBlock& block, const std::vector<CalibrationBatch>& batches);

  // The gradients of the dense model that an earlier run kept; nullptr where there are none.
  std::shared_ptr<const GradientStore> gradients() const;
  void keep(const GradientStore& gradients) const;

 private:
  bool is_ours(const std::filesystem::path& path) const;
  std::filesystem::path block_file(int64_t layer) const;
  std::filesystem::path states_file(int64_t layer) const;
  std::filesystem::path gradients_file() const;

  std::filesystem::path folder_;
  std::string identity_;
  int64_t num_finished_ = 0;
};

// When the checkpoint is written. Nothing where there is none.
void remove_block_journal(const std::filesystem::path& folder);

}  // namespace assay
