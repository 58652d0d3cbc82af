#pragma once
// What the files of a checkpoint hold, checked against its config: every tensor that the model
// needs is there in its shape, and there is none that the model would not use.

#include <filesystem>
#include <optional>
#include <vector>

#include "base/json.h"
#include "io/gguf.h"
#include "model/config.h"
#include "model/stored_tensor.h"
#include "pack/quantization_config.h"

namespace assay {

struct CheckpointFiles {
  std::filesystem::path path;
  ModelConfig config;
  std::vector<StoredTensor> tensors;  // sorted by name
  std::optional<GgufFile> gguf;
  std::optional<QuantizationConfig> quantization;  // of a folder that other software quantized
  std::vector<std::string> warnings;               // of the files, apart from packed weights
  Json provenance;                                 // assay_provenance.json of a folder, or null
};

// Errors name the file and the field or tensor.
CheckpointFiles read_folder_checkpoint(const std::filesystem::path& folder);
CheckpointFiles read_gguf_checkpoint(const std::filesystem::path& path);

}  // namespace assay
