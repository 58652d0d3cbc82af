#include "calibration/input_hessian.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/thread_pool.h"
#include "kernels/gemm.h"

namespace assay {
namespace {

// y += x^T x for x [depth, width], blocks left of the diagonal left out.
void add_upper_product(const at::Tensor& x, at::Tensor& y) {
  const int64_t width = x.size(1), depth = x.size(0);
  const auto packed =
      kernels::pack_transposed(x.const_data_ptr<float>(), x.stride(0), width, depth);
  const at::Tensor transposed = x.t().contiguous();
  const float* rows = transposed.const_data_ptr<float>();
  constexpr int64_t kPanels = 32;  // of a task
  const int64_t row_blocks = (width + kernels::kRowBlock - 1) / kernels::kRowBlock;
  const int64_t panel_blocks = (packed.num_panels() + kPanels - 1) / kPanels;
  float* out = y.mutable_data_ptr<float>();
  parallel_for(row_blocks * panel_blocks, [&](int64_t task) {
    const int64_t row = task / panel_blocks * kernels::kRowBlock;
    const int64_t num_rows = std::min(kernels::kRowBlock, width - row);
    const int64_t first =
        std::max(task % panel_blocks * kPanels, row / packed.panel_width);  // the diagonal's panel
    const int64_t last = std::min((task % panel_blocks + 1) * kPanels, packed.num_panels());
    if (first >= last) return;
    kernels::multiply_panels(packed, rows + row * depth, num_rows, first, last,
                             out + row * width + first * packed.panel_width, width,
                             kernels::Output::kAdd);
  });
}

}  // namespace

void InputHessian::add(const at::Tensor& input, std::span<const int64_t> sequence_rows) {
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
    add_upper_product(inputs.narrow(0, first, count), upper_);
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
