// Any bytes are a row with a target or without, or an Error.

#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "data/bbq_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    assay::rebuilt_target(assay::bbq_row(assay::parse_json(text, "fuzz"), "fuzz"));
  } catch (const assay::Error&) {
  }
  try {
    assay::parse_target_table(text, "fuzz");
  } catch (const assay::Error&) {
  }
  return 0;
}
