#pragma once
// Codes of the methods, as the layouts of other software take them (pack/linear_codes.h).

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "compress/codebook.h"
#include "pack/linear_codes.h"

namespace assay {

// codes [out, in] uint8 on a grid: scale and zero [out, groups], a group for every column.
GridCodes grid_codes(const at::Tensor& codes, const at::Tensor& scale, const at::Tensor& zero,
                     const std::vector<int64_t>& group_of_column, int64_t bits);
// codes [out, in] int8 and the largest magnitude of each row.
RowCodes row_codes(const at::Tensor& codes, const at::Tensor& absmax);
FourBitCodes four_bit_codes(const CodebookResult& result, const CodebookConfig& config,
                            const std::string& dtype);

}  // namespace assay
