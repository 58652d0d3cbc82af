#pragma once
// What a method makes of a model, as a format of other software holds it (`assay compress
// --export`).

#include <string>
#include <string_view>

#include "compress/methods.h"
#include "model/config.h"
#include "model/packed_form.h"

namespace assay {

// Error(kBadInput), before anything is computed, in one line: an unknown format (with the nearest),
// a method that makes nothing that the format holds, or settings that it cannot
// (model/packed_form.h).
PackedForm export_form(std::string_view format, const MethodConfig& method,
                       const ModelConfig& model, const std::string& dtype);

}  // namespace assay
