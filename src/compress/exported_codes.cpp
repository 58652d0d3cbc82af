#include "compress/exported_codes.h"

#include <ATen/ATen.h>

namespace assay {
namespace {

template <class T>
std::vector<T> elements(const at::Tensor& tensor) {
  const auto flat = tensor.contiguous();
  const T* data = flat.const_data_ptr<T>();
  return {data, data + flat.numel()};
}

LinearShape shape_of(const at::Tensor& matrix) { return {matrix.size(0), matrix.size(1)}; }

}  // namespace

GridCodes grid_codes(const at::Tensor& codes, const at::Tensor& scale, const at::Tensor& zero,
                     const std::vector<int64_t>& group_of_column, int64_t bits) {
  GridCodes grid;
  grid.out_features = codes.size(0);
  grid.in_features = codes.size(1);
  grid.num_groups = scale.size(1);
  grid.bits = bits;
  grid.codes = elements<uint8_t>(codes);
  grid.scales = elements<float>(scale);
  grid.zeros = elements<float>(zero);
  for (const int64_t group : group_of_column) {
    grid.group_of_column.push_back(static_cast<int32_t>(group));
  }
  return grid;
}

RowCodes row_codes(const at::Tensor& codes, const at::Tensor& absmax) {
  return {shape_of(codes), elements<int8_t>(codes), elements<float>(absmax)};
}

FourBitCodes four_bit_codes(const CodebookResult& result, const CodebookConfig& config,
                            const std::string& dtype) {
  FourBitCodes packed;
  packed.state = {config.codebook == Codebook::kNf4 ? "nf4" : "fp4", config.block_size, dtype,
                  shape_of(result.codes), std::nullopt};
  packed.codes = elements<uint8_t>(pack_codes(result.codes, config.codebook));
  const auto& map = codebook_values(config.codebook);
  packed.quant_map.assign(map.begin(), map.end());
  if (!result.nested) {
    packed.absmax = elements<float>(result.absmax);
    return packed;
  }
  packed.state.nested = NestedScales{kNestedBlock, result.nested->offset};
  packed.absmax_codes = elements<uint8_t>(result.nested->codes);
  packed.nested_absmax = elements<float>(result.nested->absmax);
  packed.nested_quant_map.assign(dynamic_map().begin(), dynamic_map().end());
  return packed;
}

}  // namespace assay
