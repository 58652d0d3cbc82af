#pragma once
// Writes GGUF v3 files whose tensors are declared first and whose bytes come later, in any order,
// so that a model is written tensor by tensor without being held.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "io/gguf.h"

namespace assay {

// In the order in which they are written. Integers take 32 bits where they fit and else 64, an
// array the same for all elements; std::vector<uint8_t> is an array of bool where all elements are
// 0 or 1, and else of u8.
using GgufKeyValues = std::vector<std::pair<std::string, GgufValue>>;

struct GgufTensorDeclaration {
  std::string name;            // 63 bytes at most
  std::vector<uint64_t> dims;  // dims[0] is the row length, a multiple of the format's block
  const BlockFormat* format = nullptr;
};

uint64_t byte_size(const GgufTensorDeclaration& tensor);

// The files that GgufWriter writes: x.gguf, or of a split one x-00001-of-00005.gguf and so on.
std::vector<std::filesystem::path> gguf_paths(const std::filesystem::path& path,
                                              const std::vector<GgufTensorDeclaration>& tensors,
                                              std::optional<uint64_t> max_part_bytes);

// Tensors lie in the order of their declaration, packed and aligned to 32 bytes as ggml requires.
// Parts of a split file begin where one more tensor would exceed max_part_bytes of data; the first
// holds all key-values, each says with split.* what it is. The files appear under their names with
// commit() alone.
class GgufWriter {
 public:
  // Takes the room for all parts on disk. Error(kBadInput) on a repeated or overlong name, dims
  // that are none, a key of the writer's own (general.alignment, split.*), and as AtomicFile when
  // there is no room.
  GgufWriter(const std::filesystem::path& path, const GgufKeyValues& values,
             const std::vector<GgufTensorDeclaration>& tensors,
             std::optional<uint64_t> max_part_bytes = std::nullopt);

  // All bytes of a declared tensor, once. Error(kInternal) on another name or number of bytes.
  void write(std::string_view name, std::span<const std::byte> bytes);

  // Error(kInternal) names a tensor that was declared and not written.
  void commit();

  const std::vector<std::filesystem::path>& paths() const { return paths_; }

 private:
  struct Place {
    AtomicFile* file;
    uint64_t begin, end;
  };

  std::vector<std::filesystem::path> paths_;
  std::vector<std::unique_ptr<AtomicFile>> files_;
  std::map<std::string, Place, std::less<>> places_;
  std::set<std::string, std::less<>> missing_;
};

struct GgufTensorBytes {
  std::string name;
  std::vector<uint64_t> dims;
  const BlockFormat* format;
  std::string bytes;
};

// A small file as bytes, for what is written whole. Error(kBadInput) as above, and when a tensor's
// bytes do not fit its dims.
std::string gguf_bytes(const GgufKeyValues& values, const std::vector<GgufTensorBytes>& tensors);

}  // namespace assay
