#pragma once
// What a Checkpoint points to.

#include <map>
#include <string>
#include <vector>

#include "model/checkpoint.h"
#include "model/checkpoint_files.h"

namespace assay {

struct Checkpoint::Impl {
  explicit Impl(CheckpointFiles opened);

  const StoredTensor& stored(const std::string& name) const;

  CheckpointFiles files;
  std::vector<TensorRecord> records;            // of files.tensors, in their order
  std::map<std::string, size_t> index_of_name;  // in files.tensors
};

}  // namespace assay
