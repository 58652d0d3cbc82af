#pragma once
// A tensor as it lies in a mapped file, and its decoding.

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "io/block_formats.h"
#include "model/checkpoint.h"
#include "model/file_layout.h"

namespace assay {

struct PackedTensor;  // model/packed_tensor.h

// The tensor of a file that holds the model's as one of its parts (model/file_layout.h).
struct PartOfTensor {
  std::vector<int64_t> shape;  // of the whole, in the file
  bool transposed = false;
  RowRuns rows;
};

struct StoredTensor {
  TensorRecord record;
  std::shared_ptr<const MappedFile> mapping;
  std::span<const std::byte> bytes;
  const BlockFormat* format = nullptr;  // nullptr: a dtype that is no floating-point format here
  // > 0: rows of each of so many heads lie as interleaved pairs (q and k of a llama GGUF) and are
  // put back into halves.
  int64_t interleaved_heads = 0;
  std::optional<PartOfTensor> part = std::nullopt;  // `bytes` are those of the whole then
  float added = 0;  // to every value once it is decoded: -1 of a norm that is stored as 1 + w
  // A quantized linear of several tensors; then there are neither bytes nor a format of its own.
  std::shared_ptr<const PackedTensor> packed = nullptr;
};

// Float32 in Hugging Face order, of a part of a tensor that part alone. What is stored as float32
// in that order shares the mapping. The file's pages are let go once they are decoded, or with the
// last tensor that shares them. Error(kBadInput) names the tensor when its type is not decoded.
at::Tensor decode(const StoredTensor& stored);

// Row 2i + h of a head, h in {0, 1}, becomes row h * (head size / 2) + i. weight [heads * head
// size, in_features].
at::Tensor undo_rotary_interleaving(const at::Tensor& weight, int64_t heads);
// The inverse.
at::Tensor rotary_interleaved(const at::Tensor& weight, int64_t heads);

// Error(kCorruptFile) names the tensor and the place of its first NaN or infinity.
void require_finite(const at::Tensor& tensor, const std::string& name);

}  // namespace assay
