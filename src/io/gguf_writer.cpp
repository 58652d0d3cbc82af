#include "io/gguf_writer.h"

#include <utility>

#include "base/error.h"

namespace assay {
namespace {

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_text(std::string& out, const std::string& text) {
  put(out, uint64_t{text.size()});
  out += text;
}

template <class Stored, class Value>
Stored narrowed(Value value) {
  require(std::in_range<Stored>(value), "gguf_bytes: ", value, " does not fit in 32 bits");
  return static_cast<Stored>(value);
}

// The value type's number, and the value: one overload a type of GgufValue.
void put_value(std::string& out, uint64_t value) {
  put(out, 4u), put(out, narrowed<uint32_t>(value));
}
void put_value(std::string& out, int64_t value) {
  put(out, 5u), put(out, narrowed<int32_t>(value));
}
void put_value(std::string& out, float value) { put(out, 6u), put(out, value); }
void put_value(std::string& out, double value) { put(out, 12u), put(out, value); }
void put_value(std::string& out, bool value) { put(out, 7u), put(out, uint8_t{value}); }
void put_value(std::string& out, const std::string& value) { put(out, 8u), put_text(out, value); }

template <class T>
void put_value(std::string& out, const std::vector<T>& elements) {
  put(out, 9u);
  std::string first;
  if constexpr (std::is_same_v<T, uint8_t>) {
    put(first, 7u);
  } else {
    put_value(first, T{});
  }
  out += first.substr(0, sizeof(uint32_t));
  put(out, uint64_t{elements.size()});
  for (const auto& element : elements) {
    if constexpr (std::is_same_v<T, uint8_t>) {
      put(out, element);
    } else {
      std::string typed;
      put_value(typed, element);
      out += typed.substr(sizeof(uint32_t));
    }
  }
}

void pad(std::string& out, size_t alignment) {
  out.resize((out.size() + alignment - 1) / alignment * alignment, '\0');
}

}  // namespace

std::string gguf_bytes(const std::vector<std::pair<std::string, GgufValue>>& values,
                       const std::vector<GgufTensorBytes>& tensors) {
  constexpr size_t kAlignment = 32;
  std::string out = "GGUF", data;
  put(out, 3u);
  put(out, uint64_t{tensors.size()});
  put(out, uint64_t{values.size()});
  for (const auto& [key, value] : values) {
    put_text(out, key);
    std::visit([&](const auto& v) { put_value(out, v); }, value);
  }
  for (const auto& tensor : tensors) {
    uint64_t elements = 1;
    put_text(out, tensor.name);
    put(out, static_cast<uint32_t>(tensor.dims.size()));
    for (const auto dim : tensor.dims) elements *= dim, put(out, dim);
    put(out, tensor.format->id);
    put(out, uint64_t{data.size()});
    require(tensor.bytes.size() * tensor.format->block_elements ==
                elements * tensor.format->block_bytes,
            "gguf_bytes: tensor '", tensor.name, "' has ", tensor.bytes.size(), " bytes for ",
            elements, " elements of ", tensor.format->name);
    data += tensor.bytes;
    pad(data, kAlignment);
  }
  pad(out, kAlignment);
  return out + data;
}

}  // namespace assay
