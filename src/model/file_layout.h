#pragma once
// Which tensors the files of a model hold, and where in them lie those that the model is computed
// with (model/tensor_names.h): under another name, several in one, transposed. Read and written by
// the same list.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"

namespace assay {

// Rows of a matrix (or entries of a vector): `num_runs` runs of `run_rows`, `stride` rows apart.
struct RowRuns {
  int64_t first_row = 0, run_rows = 0, stride = 0, num_runs = 1;

  bool operator==(const RowRuns&) const = default;
};

struct FilePart {
  std::string name;  // "model.layers.0.self_attn.q_proj.weight"
  std::vector<int64_t> shape;
  RowRuns rows;
};

struct FileTensor {
  std::string name;            // in the file
  std::vector<int64_t> shape;  // in the file
  bool transposed = false;     // the parts' rows are its columns
  std::vector<FilePart> parts;

  // One part, as it is.
  bool is_plain() const { return parts.size() == 1 && !transposed; }
};

// Of a folder in Hugging Face layout. `trunk` is what stands in front of all names but the head's;
// that of the family, or nothing where its files may leave it out.
std::vector<FileTensor> hugging_face_tensors(const ModelConfig& config, std::string_view trunk);
std::vector<FileTensor> hugging_face_tensors(const ModelConfig& config);

// Of a GGUF file: one of its tensors is one of the model's. Error(kBadInput) where the family's
// GGUF files are not known.
std::vector<FileTensor> gguf_tensors(const ModelConfig& config);

// What a GGUF file has otherwise than a folder: rows of each of so many heads (0: none) in
// interleaved rotary order, and a number added to every value (1 to norms that a folder stores as
// w and that multiply by 1 + w).
struct GgufConversion {
  int64_t interleaved_heads = 0;
  float added = 0;
};
GgufConversion gguf_conversion(std::string_view name, const ModelConfig& config);

// The rows of a matrix or vector, in order.
std::vector<int64_t> row_indices(const RowRuns& rows);

}  // namespace assay
