#include "calibration/input_norms.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/thread_pool.h"

namespace assay {
namespace {

constexpr int64_t kChannels = 64;  // of a task

// sums[j] += sum over rows of x_j^2, each channel in the order of the rows.
void add_squares(const float* x, int64_t rows, int64_t width, std::vector<double>& sums) {
  parallel_for((width + kChannels - 1) / kChannels, [&](int64_t task) {
    const int64_t first = task * kChannels, last = std::min(width, first + kChannels);
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t j = first; j < last; ++j) {
        const double value = x[row * width + j];
        sums[static_cast<size_t>(j)] += value * value;
      }
    }
  });
}

}  // namespace

void InputNorms::add(const at::Tensor& input, std::span<const int64_t> sequence_rows) {
  require(input.dim() == 2 && input.scalar_type() == at::kFloat,
          "input norms: expected float32 [rows, channels], got ", input.scalar_type(), " ",
          input.sizes());
  const int64_t width = input.size(1);
  int64_t rows = 0;
  for (const int64_t count : sequence_rows) rows += count;
  require(rows == input.size(0), "input norms: ", input.size(0),
          " rows do not make up sequences of ", rows);
  if (sums_.empty()) sums_.assign(static_cast<size_t>(width), 0.0);
  require(static_cast<int64_t>(sums_.size()) == width, "input norms: ", width, " channels after ",
          sums_.size());

  const auto contiguous = input.contiguous();
  const float* x = contiguous.const_data_ptr<float>();
  if (sum_ == NormSum::kDouble) {
    add_squares(x, rows, width, sums_);
    num_sequences_ += static_cast<int64_t>(sequence_rows.size());
    return;
  }
  for (const int64_t count : sequence_rows) {
    std::vector<double> squares(sums_.size(), 0.0);
    add_squares(x, count, width, squares);
    const auto seen = static_cast<float>(num_sequences_),
               now = static_cast<float>(++num_sequences_);
    for (size_t j = 0; j < sums_.size(); ++j) {
      const float norm = std::sqrt(static_cast<float>(squares[j]));
      const float mean = static_cast<float>(sums_[j]) * (seen / now);
      sums_[j] = mean + norm * norm / now;
    }
    x += count * width;
  }
}

at::Tensor InputNorms::norms() const {
  require(num_sequences_ > 0, "input norms: no calibration sequence was seen");
  auto result = at::empty({static_cast<int64_t>(sums_.size())}, at::kFloat);
  float* out = result.data_ptr<float>();
  for (size_t j = 0; j < sums_.size(); ++j) {
    require(std::isfinite(sums_[j]), "input channel ", j, " takes a value that is not finite");
    const double mean =
        sum_ == NormSum::kDouble ? sums_[j] / static_cast<double>(num_sequences_) : sums_[j];
    out[j] = static_cast<float>(std::sqrt(mean));
  }
  return result;
}

}  // namespace assay
