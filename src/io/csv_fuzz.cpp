// Any bytes are rows or an Error.

#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "io/csv.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    assay::parse_csv({reinterpret_cast<const char*>(data), size}, "fuzz");
  } catch (const assay::Error&) {
  }
  return 0;
}
