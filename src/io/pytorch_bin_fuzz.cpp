// Any bytes are refused with an Error or give tensors that lie inside the file.

#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "io/pickle.h"
#include "io/pytorch_bin.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    for (const auto& tensor : assay::parse_pytorch_bin(bytes)) {
      if (tensor.end < tensor.begin || tensor.end > size) std::abort();
      const auto own = bytes.subspan(tensor.begin, tensor.end - tensor.begin);
      if (assay::row_major_bytes(own, tensor).size() != own.size()) std::abort();
    }
    assay::check_pytorch_bin_checksums(bytes);
  } catch (const assay::Error&) {
  }
  try {  // past the checksum, which mutation would hardly meet
    assay::parse_state_dict(bytes);
  } catch (const assay::Error&) {
  }
  return 0;
}
