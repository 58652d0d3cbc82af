#pragma once
// A checkpoint, whatever its format, as a folder of plain floats in Hugging Face layout.

#include <filesystem>
#include <string>

#include "model/export.h"
#include "model/gguf_export.h"

namespace assay {

struct DenseExportOptions {
  std::string dtype = "float32";  // or "bfloat16", "float16"
  ExistingFolder existing = ExistingFolder::kRefuse;
};

// Bytes of all tensors in that dtype.
int64_t dense_bytes(const Checkpoint& checkpoint, const std::string& dtype);

// Writes all tensors, the tokenizer, and the source's provenance with what this conversion was of.
// Errors as FolderExport.
StorageLoss export_dense(const Checkpoint& checkpoint, const std::filesystem::path& folder,
                         const DenseExportOptions& options,
                         const ExportProgress& on_tensor = nullptr);

}  // namespace assay
