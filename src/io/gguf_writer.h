#pragma once
// A GGUF v3 file as bytes: for tests of what reads one.

#include <string>
#include <utility>
#include <vector>

#include "io/gguf.h"

namespace assay {

struct GgufTensorBytes {
  std::string name;
  std::vector<uint64_t> dims;  // dims[0] is the row length
  const BlockFormat* format;
  std::string bytes;
};

// Key-values and tensors in the order given, alignment 32. Integers are written as u32 or i32,
// arrays of uint8_t as bool. Error(kBadInput) when a tensor's bytes do not fit its dims, or an
// integer its 32 bits.
std::string gguf_bytes(const std::vector<std::pair<std::string, GgufValue>>& values,
                       const std::vector<GgufTensorBytes>& tensors);

}  // namespace assay
