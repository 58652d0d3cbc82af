#pragma once
// A checkpoint as a GGUF file in a file type of llama.cpp: planned first, then written tensor by
// tensor.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "io/gguf_writer.h"
#include "io/imatrix.h"
#include "model/checkpoint.h"
#include "model/file_layout.h"
#include "model/storage_loss.h"

namespace assay {

struct GgufExportOptions {
  std::string file_type;                         // model/gguf_file_types.h
  const GgufFile* source = nullptr;              // the file that the checkpoint is, if it is one
  const ImportanceMatrix* importance = nullptr;  // weights the errors of columns
  std::string importance_source = {};            // its file, for the keys
  std::optional<uint64_t> max_part_bytes = {};   // of data, of a split file
};

struct PlannedTensor {
  std::string name;  // Hugging Face name; empty: rope_divisors
  GgufTensorDeclaration stored;
  GgufConversion conversion = {};  // of its values
  bool is_copied = false;          // the source's bytes are of this type: they stay
  std::vector<float> importance;   // of its columns, or empty
};

struct GgufPlan {
  GgufKeyValues values;
  std::vector<PlannedTensor> tensors;  // in file order
  std::vector<float> rope_divisors;
  std::vector<std::string> lost;  // what the file cannot say of the model

  std::vector<GgufTensorDeclaration> declarations() const;
  uint64_t data_bytes() const;
};

// The keys and types of the file. Keys of a GGUF source are carried over, but for those that say
// how its tensors were stored. Reads all bytes of the source for its hash
// (assay.source_weights_sha256). Error(kBadInput): an unknown file type, an importance matrix that
// does not fit the model, a model or a tokenizer that is not written to GGUF files.
GgufPlan plan_gguf_export(const Checkpoint& checkpoint, const GgufExportOptions& options);

struct GgufExportReport {
  std::map<std::string, StorageLoss> by_format;
  std::vector<std::filesystem::path> paths;
};

// Writes the file, or its parts, which appear under their names when complete. Error(kBadInput)
// names a tensor with a value that its type cannot hold, and as GgufWriter.
GgufExportReport export_gguf(const Checkpoint& checkpoint, const GgufPlan& plan,
                             const std::filesystem::path& path, const GgufExportOptions& options,
                             const ExportProgress& on_tensor = nullptr);

}  // namespace assay
