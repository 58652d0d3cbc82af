#pragma once
// What every conversion of a checkpoint into a folder has in common.

#include <string>

#include "base/json.h"
#include "model/checkpoint.h"

namespace assay {

// The source's own provenance, if it has one, with what was converted beside it: products and
// caches that a method asked for stay part of the checkpoint. `dtype` is that of plain tensors.
Json converted_provenance(const Checkpoint& checkpoint, const std::string& dtype);

}  // namespace assay
