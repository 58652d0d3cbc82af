#include "compress/scalar_quantizer.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.h"
#include "compress/group_grid.h"
#include "compress/metric.h"
#include "compress/row_blocks.h"

namespace assay {
namespace {

// fn(row, group, first column, width), rows in parallel.
template <class Fn>
void for_each_group(int64_t rows, int64_t cols, int64_t group_size, const Fn& fn) {
  for_each_row_block(rows, cols, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t group = 0, first = 0; first < cols; ++group, first += group_size) {
        fn(row, group, first, std::min(group_size, cols - first));
      }
    }
  });
}

void check_grid(const at::Tensor& matrix, const QuantGrid& grid) {
  require(matrix.dim() == 2 && matrix.numel() > 0 && grid.group_size > 0,
          "quantizer: expected [rows, cols], got ", matrix.sizes());
  const int64_t groups = (matrix.size(1) + grid.group_size - 1) / grid.group_size;
  require(grid.scale.sizes() == at::IntArrayRef({matrix.size(0), groups}) &&
              grid.zero.sizes() == grid.scale.sizes(),
          "quantizer: ", matrix.sizes(), " in groups of ", grid.group_size, " needs a grid [",
          matrix.size(0), ", ", groups, "], got ", grid.scale.sizes());
}

}  // namespace

QuantGrid fit_grid(const at::Tensor& weight, const QuantizerConfig& config) {
  require(1 <= config.bits && config.bits <= 8, "quantizer: bits must be in [1, 8], got ",
          config.bits);
  require(config.group_size == -1 || config.group_size > 0,
          "quantizer: group_size must be positive or -1, got ", config.group_size);
  require_finite_matrix(weight, "quantizer: weight");
  const auto values = weight.to(at::kFloat).contiguous();
  const int64_t rows = weight.size(0), cols = weight.size(1);
  const int64_t group_size = config.group_size == -1 ? cols : std::min(config.group_size, cols);
  const int64_t groups = (cols + group_size - 1) / group_size;
  QuantGrid grid{at::empty({rows, groups}, at::kFloat), at::empty({rows, groups}, at::kFloat),
                 group_size, (int64_t{1} << config.bits) - 1};
  const float* in = values.const_data_ptr<float>();
  float* scale = grid.scale.data_ptr<float>();
  float* zero = grid.zero.data_ptr<float>();
  for_each_group(rows, cols, group_size,
                 [&](int64_t row, int64_t group, int64_t first, int64_t width) {
                   const GroupGrid fitted =
                       fit_group({in + row * cols + first, static_cast<size_t>(width)}, config);
                   scale[row * groups + group] = fitted.scale;
                   zero[row * groups + group] = fitted.zero;
                 });
  return grid;
}

std::vector<int64_t> consecutive_groups(int64_t cols, int64_t group_size) {
  std::vector<int64_t> groups;
  for (int64_t j = 0; j < cols; ++j) groups.push_back(group_size == -1 ? 0 : j / group_size);
  return groups;
}

at::Tensor quantize(const at::Tensor& weight, const QuantGrid& grid) {
  check_grid(weight, grid);
  const auto values = weight.to(at::kFloat).contiguous();
  const int64_t rows = weight.size(0), cols = weight.size(1), groups = grid.scale.size(1);
  auto codes = at::empty({rows, cols}, at::kByte);
  const float *in = values.const_data_ptr<float>(), *scale = grid.scale.const_data_ptr<float>(),
              *zero = grid.zero.const_data_ptr<float>();
  uint8_t* out = codes.data_ptr<uint8_t>();
  const auto max_code = static_cast<float>(grid.max_code);
  for_each_group(rows, cols, grid.group_size,
                 [&](int64_t row, int64_t group, int64_t first, int64_t width) {
                   const GroupGrid g{scale[row * groups + group], zero[row * groups + group]};
                   for (int64_t i = row * cols + first; i < row * cols + first + width; ++i) {
                     out[i] = static_cast<uint8_t>(code_of(in[i], g, max_code));
                   }
                 });
  return codes;
}

at::Tensor dequantize(const at::Tensor& codes, const QuantGrid& grid) {
  check_grid(codes, grid);
  require(codes.scalar_type() == at::kByte, "quantizer: codes must be uint8, got ",
          codes.scalar_type());
  const int64_t rows = codes.size(0), cols = codes.size(1), groups = grid.scale.size(1);
  const auto in_order = codes.contiguous();
  auto values = at::empty({rows, cols}, at::kFloat);
  const uint8_t* in = in_order.const_data_ptr<uint8_t>();
  const float *scale = grid.scale.const_data_ptr<float>(),
              *zero = grid.zero.const_data_ptr<float>();
  float* out = values.data_ptr<float>();
  for_each_group(rows, cols, grid.group_size,
                 [&](int64_t row, int64_t group, int64_t first, int64_t width) {
                   const GroupGrid g{scale[row * groups + group], zero[row * groups + group]};
                   for (int64_t i = row * cols + first; i < row * cols + first + width; ++i) {
                     out[i] = value_of(static_cast<float>(in[i]), g);
                   }
                 });
  return values;
}

}  // namespace assay
