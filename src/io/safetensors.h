#pragma once
// safetensors: 8 bytes little-endian N, N bytes of JSON, the tensors' bytes. Single files and
// sharded checkpoints.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "io/dtype.h"

namespace assay {

struct SafetensorsTensor {
  std::string name;
  const Dtype* dtype;
  std::vector<uint64_t> shape;  // row-major; empty = one element, a dim may be 0
  uint64_t begin, end;          // of its bytes, from the start of the file
};

struct SafetensorsHeader {
  std::vector<SafetensorsTensor> tensors;  // in the order of their bytes
  std::map<std::string, std::string> metadata;
};

// The published rule lets a header be padded behind with spaces alone; some writers use other JSON
// white space, also in front.
enum class HeaderPadding { kSpacesBehind, kAnyJsonSpace };

// Checks everything before a byte of data is trusted: lengths before allocation, UTF-8 and JSON,
// duplicate names, types and shapes, and that the tensors fill the buffer without hole, overlap or
// rest. Error(kCorruptFile) names the tensor and field.
SafetensorsHeader parse_safetensors(std::span<const std::byte> file,
                                    HeaderPadding padding = HeaderPadding::kAnyJsonSpace);

struct SafetensorsFile {
  std::shared_ptr<const MappedFile> mapping;
  SafetensorsHeader header;

  std::span<const std::byte> bytes(const SafetensorsTensor& tensor) const;
};

// Maps and parses; errors name the file.
SafetensorsFile open_safetensors(const std::filesystem::path& path);

// The file or files of a checkpoint folder: model.safetensors, or those of
// model.safetensors.index.json, where every tensor of the map must be in its file, and every tensor
// of a file in the map. Error(kBadInput) when the folder has neither.
std::vector<SafetensorsFile> open_safetensors_folder(const std::filesystem::path& folder);

}  // namespace assay
