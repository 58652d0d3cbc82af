#pragma once
// Writes a safetensors file whose tensors are declared first and whose bytes come later, in any
// order, so that a model is written block by block without being held.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "io/dtype.h"

namespace assay {

struct TensorDeclaration {
  std::string name;
  const Dtype* dtype;
  std::vector<uint64_t> shape;
};

// On disk tensors stand by falling element size, then by name, and the header is padded with spaces
// to a multiple of 8 bytes, so that every tensor is aligned to its elements. The file appears under
// its name with commit() alone.
class SafetensorsWriter {
 public:
  // Error(kBadInput) on a repeated name, and as AtomicFile when there is no room for the whole
  // file.
  SafetensorsWriter(const std::filesystem::path& path, std::vector<TensorDeclaration> tensors,
                    const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

  // All bytes of a declared tensor, once. Error(kInternal) on another name or number of bytes.
  void write(std::string_view name, std::span<const std::byte> bytes);

  // Error(kInternal) names a tensor that was declared and not written.
  void commit();

 private:
  struct Range {
    uint64_t begin, end;
  };

  AtomicFile file_;
  std::map<std::string, Range, std::less<>> ranges_;  // in the file
  std::set<std::string, std::less<>> missing_;
};

}  // namespace assay
