// Any bytes are refused with an Error or give means that encoders take.

#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "io/imatrix.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto matrix = assay::parse_imatrix(std::as_bytes(std::span(data, size)));
    for (const auto& [name, means] : matrix.mean_squares) {
      for (const float mean : means) {
        if (!(mean >= 0)) std::abort();
      }
    }
  } catch (const assay::Error&) {
  }
  return 0;
}
