#pragma once
// A checkpoint on disk, whatever its format: config + named tensors, names and row order as in a
// Hugging Face checkpoint (the rotary permutation of a llama GGUF is undone). Nothing is decoded
// before it is asked for.

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/config.h"
#include "model/linear_product.h"
#include "tokenizer/tokenizer.h"

namespace assay {

struct TensorRecord {
  std::string name;            // Hugging Face name
  std::string stored_name;     // name in the file
  std::string stored_dtype;    // "F32", "BF16", "Q4_1", ...
  std::vector<int64_t> shape;  // Hugging Face order: [out_features, in_features]
  uint64_t stored_bytes = 0;
};

struct StoredTensor;

class Checkpoint {
 public:
  struct Impl;

  // `path`: a folder in Hugging Face layout or a .gguf file. Maps the files, checks every header.
  // Error(kBadInput): not there or not supported; Error(kCorruptFile): damaged, with file and
  // field.
  static Checkpoint open(const std::filesystem::path& path);

  const ModelConfig& config() const;
  const std::vector<TensorRecord>& tensors() const;
  bool has(const std::string& name) const;

  // The tensor decoded to float32. A float32 tensor of a mapped file shares the mapping (do not
  // write to it); the mapping lives as long as any tensor of it. Error(kBadInput) names the nearest
  // name; Error(kCorruptFile) the tensor and place of a NaN or infinity.
  at::Tensor tensor(const std::string& name) const;
  // The same without the look for NaN and infinities, for those who count them.
  at::Tensor tensor_as_stored(const std::string& name) const;

  // How it lies in its file (model/stored_tensor.h), for conversions; as long as the checkpoint
  // lives. Error as of tensor().
  const StoredTensor& stored(const std::string& name) const;

  Tokenizer tokenizer() const;

  // SHA-256 (hex) over names, dtypes, shapes and SHA-256 of the bytes of all tensors by name: the
  // identity of the weights, the same for one file and many. Reads every byte.
  std::string weights_hash() const;

  // One line for reports: "SmolLM2-135M-Instruct.Q4_1.gguf: decoded Q4_1" or "folder: float32";
  // quantized() tells whether any linear is stored in fewer than 16 bits (then the base is a
  // decoded file, not the published model).
  std::string description() const;
  bool quantized() const;

  // What a reader of results should know: an index whose total_size is not that of its files,
  // packed weights ("in 3 linears zero points ..."; reads their zero points). Mostly empty.
  std::vector<std::string> warnings() const;

  // How the linears are meant to be computed, where not in float32: as its provenance says, or as a
  // folder of bitsandbytes in 8 bits is (outliers of each row, so that no row depends on others).
  std::optional<kernels::LlmInt8Options> int8_product() const;

  // That inputs of linears are quantized as well, in the words of the folder's config ("8-bit float
  // inputs"): they are computed in float32 here. Mostly empty.
  std::string input_note() const;

  // assay's own provenance of an exported folder (assay_provenance.json), null otherwise.
  Json provenance() const;

 private:
  explicit Checkpoint(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

// The tokenizer of a folder or a .gguf file; the weights are not opened. Errors name the path.
Tokenizer load_tokenizer(const std::filesystem::path& path);

// A model argument: a folder, a .gguf file, a catalogue name ("smollm2-135m-instruct", found in the
// cache folder), or a name in the local Hugging Face cache. Error(kBadInput) says what was tried
// and the nearest name.
std::filesystem::path resolve_model(const std::string& argument);

}  // namespace assay
