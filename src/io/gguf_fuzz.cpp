// Any bytes are refused with an Error or give tensors that lie inside the file; those that can be
// are decoded.

#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "io/gguf.h"

namespace {

void decode_tensors(const assay::GgufFile& file, std::span<const std::byte> bytes) {
  for (const auto& tensor : file.tensors) {
    if (tensor.end < tensor.begin || tensor.end > bytes.size()) std::abort();
    if (tensor.format->decoder == nullptr) continue;
    const auto blocks = bytes.subspan(tensor.begin, tensor.end - tensor.begin);
    std::vector<float> values(blocks.size() / tensor.format->block_bytes *
                              tensor.format->block_elements);
    assay::decode_blocks(*tensor.format, blocks, values);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    const auto file = assay::parse_gguf(bytes);
    decode_tensors(file, bytes);
    for (const auto& [key, value] : file.values) {
      try {
        file.number(key);
        file.strings(key);
      } catch (const assay::Error&) {
      }
    }
  } catch (const assay::Error&) {
  }
  return 0;
}
