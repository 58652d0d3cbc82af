#pragma once

#include <cstdint>

namespace assay {

// Bytes that new data may take before the machine runs short, 0 when unknown.
int64_t available_memory();

}  // namespace assay
