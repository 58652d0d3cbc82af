// Any bytes are a study or an Error, nothing else.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "run/study.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    assay::parse_study({reinterpret_cast<const char*>(data), size}, "fuzz");
  } catch (const assay::Error&) {
  }
  return 0;
}
