#pragma once
// pytorch_model.bin: what torch.save (1.6 and later) writes of a state_dict, a zip archive of
// data.pkl and the storages data/0, data/1, ... Single files and sharded checkpoints. Nothing in
// the file is executed (io/pickle.h).

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "io/dtype.h"

namespace assay {

struct PytorchTensor {
  std::string name;
  const Dtype* dtype;
  std::vector<uint64_t> shape;  // empty = one element, a dim may be 0
  uint64_t begin, end;          // of its bytes, from the start of the file; tensors may share them
  // In elements, where the bytes are not row-major: those of a transposed tensor, without gaps.
  std::vector<uint64_t> strides;
};

// The tensors in the order of the state_dict. Checks the archive, the checksum of data.pkl, names,
// and that every tensor lies within its storage and fills a stretch of it. Error(kCorruptFile)
// names the tensor; Error(kBadInput) what is not supported: a file of torch before 1.6, big-endian
// bytes, a name that data.pkl has no need of, a view with gaps or repeated elements.
std::vector<PytorchTensor> parse_pytorch_bin(std::span<const std::byte> file);

// Error(kCorruptFile) unless every entry has its recorded checksum: reads the whole file.
void check_pytorch_bin_checksums(std::span<const std::byte> file);

struct PytorchFile {
  std::shared_ptr<const MappedFile> mapping;
  std::vector<PytorchTensor> tensors;

  std::span<const std::byte> bytes(const PytorchTensor& tensor) const;  // as they lie in the file
};

// The tensor's elements in row-major order, copied; for a tensor with strides.
std::vector<std::byte> row_major_bytes(std::span<const std::byte> bytes,
                                       const PytorchTensor& tensor);

// Maps and parses; errors name the file.
PytorchFile open_pytorch_bin(const std::filesystem::path& path);

// The file or files of a checkpoint folder: pytorch_model.bin, or those of
// pytorch_model.bin.index.json, checked as in open_safetensors_folder. Error(kBadInput) when the
// folder has neither.
std::vector<PytorchFile> open_pytorch_folder(const std::filesystem::path& folder);

}  // namespace assay
