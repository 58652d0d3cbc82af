#pragma once
// Writes a model as a folder in Hugging Face layout, tensor by tensor: a block-sequential pipeline
// never holds it whole.

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <string>

#include "base/json.h"
#include "model/config.h"
#include "model/export_folder.h"

namespace assay {

// The folder grows under a temporary name beside its target and takes the target's name in
// commit(): it is there whole or not at all. Without commit() the destructor removes what was
// written.
class FolderExport {
 public:
  // dtype: "float32", "bfloat16" or "float16", in which all tensors are stored. Takes the room on
  // disk at once. Error(kBadInput): another dtype, no room, a target that is not empty under
  // kRefuse, or one that under kReplace is not a checkpoint (no config.json): such a folder is
  // never removed.
  FolderExport(const std::filesystem::path& target, const ModelConfig& config,
               const std::string& dtype, ExistingFolder existing);
  FolderExport(const FolderExport&) = delete;
  FolderExport& operator=(const FolderExport&) = delete;
  ~FolderExport();

  // A tensor of the model (model/tensor_names.h), in any order, each once; rounded to the dtype
  // (nearest even), and written once all that share a tensor of the file are there.
  // Error(kInternal) on another name or shape, Error(kCorruptFile) when a value is not finite in
  // the dtype.
  void write(const std::string& name, const at::Tensor& tensor);

  // The other files: config.json, tokenizer.json, tokenizer_config.json, assay_provenance.json.
  // Error(kInternal) names a tensor that was not written.
  void commit(const Json& tokenizer_json, const Json& tokenizer_config, const Json& provenance);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace assay
