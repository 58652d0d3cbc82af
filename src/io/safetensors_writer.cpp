#include "io/safetensors_writer.h"

#include <algorithm>
#include <tuple>

#include "base/error.h"
#include "base/json.h"

namespace assay {
namespace {

uint64_t byte_size(const TensorDeclaration& tensor) {
  uint64_t elements = 1;
  for (const auto dim : tensor.shape) elements *= dim;
  const uint64_t bits = elements * tensor.dtype->bits;
  require(bits % 8 == 0, "'", tensor.name, "': ", elements, " elements of ", tensor.dtype->name,
          " are not whole bytes");
  return bits / 8;
}

// Length and JSON text, padded; `begins` are relative to the data.
std::string header_of(const std::vector<TensorDeclaration>& tensors,
                      const std::vector<uint64_t>& begins,
                      const std::map<std::string, std::string>& metadata) {
  // Written entry by entry: an ordered JSON object looks for each new key among all others.
  std::string json = "{";
  if (!metadata.empty()) json += "\"__metadata__\":" + Json(metadata).dump();
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Json entry = {{"dtype", tensors[i].dtype->name},
                        {"shape", tensors[i].shape},
                        {"data_offsets", {begins[i], begins[i] + byte_size(tensors[i])}}};
    json += (json.size() > 1 ? "," : "") + Json(tensors[i].name).dump() + ":" + entry.dump();
  }
  json += "}";
  json.resize((json.size() + 7) / 8 * 8, ' ');
  const uint64_t length = json.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + json;
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path,
                                     std::vector<TensorDeclaration> tensors,
                                     const std::map<std::string, std::string>& metadata)
    : file_(path) {
  std::ranges::sort(tensors, [](const auto& a, const auto& b) {
    return std::tuple(b.dtype->bits, std::string_view(a.name)) <
           std::tuple(a.dtype->bits, std::string_view(b.name));
  });
  std::vector<uint64_t> begins;
  uint64_t data_size = 0;
  for (const auto& tensor : tensors) {
    begins.push_back(data_size);
    data_size += byte_size(tensor);
  }
  const auto header = header_of(tensors, begins, metadata);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const uint64_t begin = header.size() + begins[i];
    const bool is_new =
        ranges_.emplace(tensors[i].name, Range{begin, begin + byte_size(tensors[i])}).second;
    require(is_new, path.string(), ": tensor '", tensors[i].name, "' is declared twice");
    missing_.insert(tensors[i].name);
  }
  file_.reserve(header.size() + data_size);
  file_.write_at(0, std::as_bytes(std::span(header)));
}

void SafetensorsWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  const auto range = ranges_.find(name);
  const auto missing = missing_.find(name);
  if (range == ranges_.end() || missing == missing_.end()) {
    fail(ErrorKind::kInternal, "tensor '", name, "' was not declared, or is written twice");
  }
  const auto [begin, end] = range->second;
  if (bytes.size() != end - begin) {
    fail(ErrorKind::kInternal, "tensor '", name, "' has ", end - begin, " bytes as declared, got ",
         bytes.size());
  }
  file_.write_at(begin, bytes);
  missing_.erase(missing);
}

void SafetensorsWriter::commit() {
  if (!missing_.empty()) {
    fail(ErrorKind::kInternal, "tensor '", *missing_.begin(), "' was declared and not written");
  }
  file_.commit();
}

}  // namespace assay
