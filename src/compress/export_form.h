#pragma once
// Formats of other software in which a compressed model is written (`assay compress --export`).

#include <span>
#include <string>
#include <string_view>

#include "compress/methods.h"
#include "model/config.h"
#include "model/packed_export.h"

namespace assay {

struct ExportFormat {
  std::string_view name, help;
};

// Without "dense", which is no packing.
std::span<const ExportFormat> export_formats();

// How what `method` makes of the model is stored in a format. Error(kBadInput), before anything is
// computed, in one line: an unknown format (with the nearest), a method that makes nothing that the
// format holds, or settings that it cannot: bits, tail groups, symmetric zeros, scattered groups.
PackedForm export_form(std::string_view format, const MethodConfig& method,
                       const ModelConfig& model, const std::string& dtype);

}  // namespace assay
