#pragma once
// Writes a model whose linears are packed as other software stores them, block after block: a shard
// for each block, and one for the rest.

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <string>

#include "base/json.h"
#include "model/config.h"
#include "model/export.h"
#include "pack/linear_codes.h"
#include "pack/quantization_config.h"

namespace assay {

// How the linears of blocks are stored, and what announces it.
struct PackedForm {
  PackedLayout layout;
  Json quantization_config;       // of config.json
  bool has_own_file = false;      // the same as quantize_config.json
  std::string dtype = "float16";  // of all other tensors: "float32", "bfloat16", "float16"
};

// As FolderExport: the folder is there whole, under its name, or not at all.
class PackedExport {
 public:
  PackedExport(const std::filesystem::path& target, const ModelConfig& config, PackedForm form,
               ExistingFolder existing);
  PackedExport(const PackedExport&) = delete;
  PackedExport& operator=(const PackedExport&) = delete;
  ~PackedExport();

  // Takes a linear of a block, each once; returns what the file holds of it, float32. Errors name
  // what the layout cannot hold.
  at::Tensor pack(const std::string& name, const at::Tensor& weight, const LinearCodes& codes);

  // Any tensor of the config. A linear that was packed is passed over. Error(kInternal) on another
  // name or shape, Error(kCorruptFile) when a value is not finite in the dtype.
  void write(const std::string& name, const at::Tensor& tensor);

  void commit(const Json& tokenizer_json, const Json& tokenizer_config, const Json& provenance);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace assay
