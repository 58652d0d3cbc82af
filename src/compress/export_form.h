#pragma once
// Formats of other software in which a compressed model is written (`assay compress --export`).

#include <ATen/core/Tensor.h>

#include <span>
#include <string>
#include <string_view>

#include "compress/methods.h"
#include "compress/scalar_quantizer.h"
#include "model/config.h"
#include "model/packed_export.h"
#include "pack/linear_codes.h"

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

// codes [out, in] uint8 on a grid: scale and zero [out, groups], a group for every column.
GridCodes grid_codes(const at::Tensor& codes, const at::Tensor& scale, const at::Tensor& zero,
                     const std::vector<int64_t>& group_of_column, int64_t bits);
// codes [out, in] int8 and the largest magnitude of each row.
RowCodes row_codes(const at::Tensor& codes, const at::Tensor& absmax);
FourBitCodes four_bit_codes(const CodebookResult& result, const CodebookConfig& config,
                            const std::string& dtype);

}  // namespace assay
