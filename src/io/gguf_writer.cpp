#include "io/gguf_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace assay {
namespace {

constexpr uint64_t kAlignment = 32;
constexpr size_t kMaxNameBytes = 63;

// Value types of the file.
constexpr uint32_t kU8 = 0, kU16 = 2, kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7, kString = 8,
                   kArray = 9, kU64 = 10, kI64 = 11, kF64 = 12;

uint64_t padded(uint64_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_text(std::string& out, std::string_view text) {
  put(out, uint64_t{text.size()});
  out += text;
}

// The type of whole numbers that all fit into it.
template <class T>
uint32_t type_of_integers(const std::vector<T>& values) {
  using Narrow = std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>;
  const bool fits =
      std::ranges::all_of(values, [](T value) { return std::in_range<Narrow>(value); });
  return std::is_signed_v<T> ? (fits ? kI32 : kI64) : (fits ? kU32 : kU64);
}

// The element type of an array of such elements.
uint32_t type_of(const std::vector<uint64_t>& values) { return type_of_integers(values); }
uint32_t type_of(const std::vector<int64_t>& values) { return type_of_integers(values); }
uint32_t type_of(const std::vector<float>& /*values*/) { return kF32; }
uint32_t type_of(const std::vector<double>& /*values*/) { return kF64; }
uint32_t type_of(const std::vector<std::string>& /*values*/) { return kString; }
uint32_t type_of(const std::vector<uint8_t>& values) {
  return std::ranges::all_of(values, [](uint8_t value) { return value <= 1; }) ? kBool : kU8;
}

template <class T>
void put_element(std::string& out, uint32_t type, const T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    put_text(out, value);
  } else if constexpr (std::is_integral_v<T> && sizeof(T) == 8) {
    if (type == kU32 || type == kI32) {
      put(out, static_cast<uint32_t>(value));
    } else {
      put(out, value);
    }
  } else {
    put(out, value);
  }
}

template <class T>
void put_value(std::string& out, const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    put(out, kBool), put(out, uint8_t{value});
  } else {
    const uint32_t type = type_of(std::vector<T>{value});
    put(out, type), put_element(out, type, value);
  }
}

template <class T>
void put_value(std::string& out, const std::vector<T>& elements) {
  const uint32_t type = type_of(elements);
  put(out, kArray), put(out, type), put(out, uint64_t{elements.size()});
  for (const T& element : elements) put_element(out, type, element);
}

struct Part {
  std::vector<GgufTensorDeclaration> tensors;
  std::vector<uint64_t> begins;  // in the data
  uint64_t data_size = 0;

  void add(const GgufTensorDeclaration& tensor) {
    tensors.push_back(tensor);
    begins.push_back(data_size);
    data_size += padded(byte_size(tensor));
  }
};

// What a part of several says of itself; the types are those that llama.cpp reads.
std::string split_keys(size_t part, size_t count, size_t num_tensors) {
  std::string keys;
  put_text(keys, "split.no"), put(keys, kU16), put(keys, static_cast<uint16_t>(part));
  put_text(keys, "split.count"), put(keys, kU16), put(keys, static_cast<uint16_t>(count));
  put_text(keys, "split.tensors.count"), put(keys, kI32);
  put(keys, static_cast<int32_t>(num_tensors));
  return keys;
}

// All that stands in front of the data, padded. `extra_keys` are `num_extra` encoded key-values.
std::string head_of(const Part& part, const GgufKeyValues& values, std::string_view extra_keys,
                    uint64_t num_extra) {
  std::string out = "GGUF";
  put(out, 3u);
  put(out, uint64_t{part.tensors.size()});
  put(out, uint64_t{values.size()} + num_extra);
  for (const auto& [key, value] : values) {
    put_text(out, key);
    std::visit([&](const auto& v) { put_value(out, v); }, value);
  }
  out += extra_keys;
  for (size_t i = 0; i < part.tensors.size(); ++i) {
    const GgufTensorDeclaration& tensor = part.tensors[i];
    put_text(out, tensor.name);
    put(out, static_cast<uint32_t>(tensor.dims.size()));
    for (const uint64_t dim : tensor.dims) put(out, dim);
    put(out, tensor.format->id);
    put(out, part.begins[i]);
  }
  out.resize(padded(out.size()), '\0');
  return out;
}

void check_values(const GgufKeyValues& values) {
  std::set<std::string_view> seen;
  for (const auto& [key, value] : values) {
    require(seen.insert(key).second, "GGUF key '", key, "' is given twice");
    require(key != "general.alignment" && !key.starts_with("split."), "GGUF key '", key,
            "' is the writer's own");
  }
}

void check_tensors(const std::vector<GgufTensorDeclaration>& tensors) {
  std::set<std::string_view> seen;
  for (const auto& tensor : tensors) {
    require(seen.insert(tensor.name).second, "tensor '", tensor.name, "' is declared twice");
    require(!tensor.name.empty() && tensor.name.size() <= kMaxNameBytes, "tensor '", tensor.name,
            "': a GGUF name has 1 to ", kMaxNameBytes, " bytes");
    require(!tensor.dims.empty() && tensor.dims.size() <= 4 &&
                std::ranges::find(tensor.dims, 0u) == tensor.dims.end(),
            "tensor '", tensor.name, "': 1 to 4 dims expected, none of them 0");
    require(tensor.dims[0] % tensor.format->block_elements == 0, "tensor '", tensor.name,
            "': rows of ", tensor.dims[0], " are not blocks of ", tensor.format->name);
  }
}

std::vector<Part> parts_of(const std::vector<GgufTensorDeclaration>& tensors,
                           std::optional<uint64_t> max_part_bytes) {
  std::vector<Part> parts(1);
  for (const auto& tensor : tensors) {
    const Part& last = parts.back();
    if (max_part_bytes && !last.tensors.empty() &&
        last.data_size + byte_size(tensor) > *max_part_bytes) {
      parts.emplace_back();
    }
    parts.back().add(tensor);
  }
  require(parts.size() <= std::numeric_limits<uint16_t>::max(), parts.size(),
          " parts are more than a split GGUF can have");
  return parts;
}

std::vector<std::filesystem::path> paths_of(const std::filesystem::path& path, size_t count) {
  if (count == 1) return {path};
  std::vector<std::filesystem::path> paths;
  for (size_t i = 1; i <= count; ++i) {
    paths.push_back(path.parent_path() /
                    fmt::format("{}-{:05}-of-{:05}.gguf", path.stem().string(), i, count));
  }
  return paths;
}

}  // namespace

uint64_t byte_size(const GgufTensorDeclaration& tensor) {
  uint64_t elements = 1;
  for (const uint64_t dim : tensor.dims) elements *= dim;
  return elements / tensor.format->block_elements * tensor.format->block_bytes;
}

std::vector<std::filesystem::path> gguf_paths(const std::filesystem::path& path,
                                              const std::vector<GgufTensorDeclaration>& tensors,
                                              std::optional<uint64_t> max_part_bytes) {
  return paths_of(path, parts_of(tensors, max_part_bytes).size());
}

GgufWriter::GgufWriter(const std::filesystem::path& path, const GgufKeyValues& values,
                       const std::vector<GgufTensorDeclaration>& tensors,
                       std::optional<uint64_t> max_part_bytes) {
  check_values(values);
  check_tensors(tensors);
  const auto parts = parts_of(tensors, max_part_bytes);
  paths_ = paths_of(path, parts.size());
  const GgufKeyValues none;
  for (size_t p = 0; p < parts.size(); ++p) {
    const Part& part = parts[p];
    const auto head = parts.size() == 1 ? head_of(part, values, "", 0)
                                        : head_of(part, p == 0 ? values : none,
                                                  split_keys(p, parts.size(), tensors.size()), 3);
    files_.push_back(std::make_unique<AtomicFile>(paths_[p]));
    files_.back()->reserve(head.size() + part.data_size);
    files_.back()->write_at(0, std::as_bytes(std::span(head)));
    for (size_t i = 0; i < part.tensors.size(); ++i) {
      const uint64_t begin = head.size() + part.begins[i];
      places_.emplace(part.tensors[i].name,
                      Place{files_.back().get(), begin, begin + byte_size(part.tensors[i])});
      missing_.insert(part.tensors[i].name);
    }
  }
}

void GgufWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  const auto place = places_.find(name);
  const auto missing = missing_.find(name);
  if (place == places_.end() || missing == missing_.end()) {
    fail(ErrorKind::kInternal, "tensor '", name, "' was not declared, or is written twice");
  }
  const auto [file, begin, end] = place->second;
  if (bytes.size() != end - begin) {
    fail(ErrorKind::kInternal, "tensor '", name, "' has ", end - begin, " bytes as declared, got ",
         bytes.size());
  }
  file->write_at(begin, bytes);
  missing_.erase(missing);
}

void GgufWriter::commit() {
  if (!missing_.empty()) {
    fail(ErrorKind::kInternal, "tensor '", *missing_.begin(), "' was declared and not written");
  }
  for (const auto& file : files_) file->commit();
}

std::string gguf_bytes(const GgufKeyValues& values, const std::vector<GgufTensorBytes>& tensors) {
  std::vector<GgufTensorDeclaration> declared;
  declared.reserve(tensors.size());
  for (const auto& tensor : tensors) declared.push_back({tensor.name, tensor.dims, tensor.format});
  check_tensors(declared);
  const auto parts = parts_of(declared, std::nullopt);
  std::string out = head_of(parts.front(), values, "", 0);
  for (size_t i = 0; i < tensors.size(); ++i) {
    require(tensors[i].bytes.size() == byte_size(declared[i]), "gguf_bytes: tensor '",
            tensors[i].name, "' has ", tensors[i].bytes.size(), " bytes, its dims need ",
            byte_size(declared[i]));
    out += tensors[i].bytes;
    out.resize(padded(out.size()), '\0');
  }
  return out;
}

}  // namespace assay
