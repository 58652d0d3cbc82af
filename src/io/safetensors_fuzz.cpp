// Any bytes are refused with an Error or give a header whose tensors lie inside the file.

#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "io/safetensors.h"
#include "io/shard_index.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    uint64_t expected = 0;
    for (const auto& tensor : assay::parse_safetensors(bytes).tensors) {
      if (expected != 0 && tensor.begin != expected) std::abort();
      if (tensor.end < tensor.begin || tensor.end > size) std::abort();
      expected = tensor.end;
    }
  } catch (const assay::Error&) {
  }
  try {
    assay::parse_shard_index({reinterpret_cast<const char*>(data), size});
  } catch (const assay::Error&) {
  }
  return 0;
}
