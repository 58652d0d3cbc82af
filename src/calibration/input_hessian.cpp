#include "calibration/input_hessian.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/thread_pool.h"
#include "kernels/gemm.h"

namespace assay {
namespace {

// y += x^T x for x [depth, width], most of what lies left of the diagonal left out.
void add_upper_product(const at::Tensor& x, kernels::PackedWeight& packed, at::Tensor& y) {
  const int64_t width = x.size(1), depth = x.size(0), stride = x.stride(0);
  const float* values = x.const_data_ptr<float>();
  kernels::repack_transposed(packed, values, stride, width, depth);
  const int64_t panel_width = packed.panel_width, num_panels = packed.num_panels();
  constexpr int64_t kRows = 2 * kernels::kRowBlock, kColumns = 1024;  // of a task
  constexpr int64_t kDiagonalRows = 48;  // that start at the panel of the diagonal
  const int64_t panels = kColumns / panel_width;
  const int64_t panel_blocks = (num_panels + panels - 1) / panels;
  float* out = y.mutable_data_ptr<float>();
  parallel_for((width + kRows - 1) / kRows * panel_blocks, [&](int64_t task) {
    const int64_t row = task / panel_blocks * kRows, end = std::min(row + kRows, width);
    const int64_t first = task % panel_blocks * panels, last = std::min(first + panels, num_panels);
    const auto add = [&](int64_t from, int64_t to, int64_t first_panel, int64_t last_panel) {
      if (first_panel >= last_panel) return;
      kernels::multiply_panels_transposed(
          packed, values + from, stride, to - from, first_panel, last_panel,
          out + from * width + first_panel * panel_width, width, kernels::Output::kAdd);
    };
    const int64_t right = std::clamp((end + panel_width - 1) / panel_width, first, last);
    for (int64_t from = row; from < end; from += kDiagonalRows) {
      add(from, std::min(from + kDiagonalRows, end), std::max(first, from / panel_width), right);
    }
    add(row, end, right, last);
  });
}

}  // namespace

void InputHessian::add(const at::Tensor& input, std::span<const int64_t> sequence_rows,
                       Scratch& scratch) {
  require(input.dim() == 2 && input.scalar_type() == at::kFloat,
          "input Hessian: expected float32 [rows, channels], got ", input.scalar_type(), " ",
          input.sizes());
  int64_t rows = 0;
  for (const int64_t count : sequence_rows) rows += count;
  require(rows == input.size(0), "input Hessian: ", input.size(0),
          " rows do not make up sequences of ", rows);
  const int64_t width = input.size(1);
  if (!upper_.defined()) upper_ = at::zeros({width, width}, at::kFloat);
  require(upper_.size(0) == width, "input Hessian: ", width, " channels after ", upper_.size(0));
  const at::Tensor inputs = input.contiguous();
  int64_t first = 0;
  for (const int64_t count : sequence_rows) {
    add_upper_product(inputs.narrow(0, first, count), scratch, upper_);
    first += count;
    ++num_sequences_;
  }
}

at::Tensor InputHessian::hessian() const {
  require(num_sequences_ > 0, "input Hessian: no calibration sequence was seen");
  const float* sums = upper_.const_data_ptr<float>();
  const int64_t width = upper_.size(0);
  auto result = at::empty({width, width}, at::kFloat);
  float* out = result.mutable_data_ptr<float>();
  const float scale = 2 / static_cast<float>(num_sequences_);
  for (int64_t j = 0; j < width; ++j) {
    require(std::isfinite(sums[j * width + j]), "input channel ", j,
            " takes a value that is not finite");
  }
  parallel_for(width, [&](int64_t row) {
    for (int64_t col = 0; col < width; ++col) {
      const float sum = col >= row ? sums[row * width + col] : sums[col * width + row];
      out[row * width + col] = scale * sum;
    }
  });
  return result;
}

}  // namespace assay
