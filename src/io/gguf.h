#pragma once
// GGUF v3 (and v2, which is laid out alike): key-values, then tensor infos, then data.
// Little-endian files only.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/mapped_file.h"
#include "io/block_formats.h"

namespace assay {

// A value of any of the file's integer widths is widened; floats keep their width, so that 1e-5f
// stays what it was.
using GgufValue =
    std::variant<uint64_t, int64_t, float, double, bool, std::string, std::vector<uint64_t>,
                 std::vector<int64_t>, std::vector<float>, std::vector<double>,
                 std::vector<uint8_t>,  // array of bool, 0 or 1, or of u8
                 std::vector<std::string>>;

struct GgufTensor {
  std::string name;
  std::vector<uint64_t>
      dims;  // as in the file: dims[0] is the row length (in_features), dims[1] the rows
  const BlockFormat* format = nullptr;
  uint64_t begin = 0, end = 0;                          // of its bytes, from the start of the file
  std::shared_ptr<const MappedFile> mapping = nullptr;  // of that file, set by open_gguf

  std::span<const std::byte> bytes() const { return mapping->bytes().subspan(begin, end - begin); }
};

struct GgufFile {
  uint32_t version = 0;
  uint64_t alignment = 32;
  std::map<std::string, GgufValue, std::less<>> values;
  std::vector<GgufTensor> tensors;  // in file order

  bool has(std::string_view key) const;

  // Typed values. Error(kCorruptFile) names the key when it is missing, of another type, or out of
  // range.
  std::string string(std::string_view key) const;
  int64_t integer(std::string_view key) const;  // any integer type
  double number(std::string_view key)
      const;  // f32 (as the shortest decimal that gives it: 1e-05), f64 or integer
  bool boolean(std::string_view key) const;
  const std::vector<std::string>& strings(std::string_view key) const;
  std::vector<int64_t> integers(std::string_view key) const;  // array of any integer type
  std::vector<float> floats(std::string_view key) const;      // array of f32

  // The same for a key that may be missing.
  std::optional<std::string> find_string(std::string_view key) const;
  std::optional<int64_t> find_integer(std::string_view key) const;
  std::optional<double> find_number(std::string_view key) const;
  std::optional<bool> find_boolean(std::string_view key) const;

  const GgufTensor* find_tensor(std::string_view name) const;  // nullptr when absent
};

// Trusts no byte before it is checked: magic, version, every length against what
// is left of the file before anything is allocated, duplicate keys and names, dims, types,
// alignment, exact packing of the data. Error(kCorruptFile) names the key or tensor and the byte.
// Tensors of known but undecodable types pass.
GgufFile parse_gguf(std::span<const std::byte> file);

// Maps and parses; errors name the file. One part of a split file (x-00002-of-00005.gguf) is opened
// with all others, which must be beside it: the values are those of the first.
GgufFile open_gguf(const std::filesystem::path& path);

}  // namespace assay
