#pragma once
// The JSON text of a safetensors header, read event by event: no document is built, so memory is
// bounded by the tensors, and repeated keys are seen.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "io/dtype.h"

namespace assay {

struct HeaderTensor {
  std::string name;
  const Dtype* dtype = nullptr;
  std::vector<uint64_t> shape;
  std::vector<uint64_t> data_offsets;  // two, relative to the data
};

struct HeaderEntries {
  std::vector<HeaderTensor> tensors;  // as written
  std::map<std::string, std::string> metadata;
};

// Error(kCorruptFile) on anything but an object of tensors and, at most once, __metadata__ of
// strings. Unknown fields of a tensor are skipped.
HeaderEntries read_header_entries(std::string_view json);

}  // namespace assay
