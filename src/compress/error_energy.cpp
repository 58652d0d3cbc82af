#include "compress/error_energy.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "base/error.h"
#include "base/thread_pool.h"
#include "compress/metric.h"
#include "compress/row_blocks.h"

namespace assay {
namespace {

constexpr int64_t kBand = 768;  // rows of G that are packed together: whole panels of 16 or 32
constexpr int64_t kTokenChunk = 1280;  // tokens that enter G at a time

int64_t num_blocks(int64_t count, int64_t block) { return (count + block - 1) / block; }

// gram[i][j] += sum of x_i x_j for j up to the end of i's band.
void add_to_lower_(at::Tensor& gram, const at::Tensor& tokens) {
  const int64_t n = gram.size(0), depth = tokens.size(0);
  const auto channels = tokens.t().contiguous();  // [n, depth]
  const float* x = channels.const_data_ptr<float>();
  const auto packed = kernels::pack_weight(x, n, depth);
  float* y = gram.data_ptr<float>();
  const int64_t bands = num_blocks(n, kBand), band_panels = kBand / packed.panel_width;
  const int64_t row_blocks = num_blocks(n, kernels::kRowBlock);
  parallel_for(row_blocks * bands, [&](int64_t task) {
    const int64_t row = task / bands * kernels::kRowBlock, band = task % bands;
    const int64_t rows = std::min(kernels::kRowBlock, n - row);
    if (band * kBand >= row + rows) return;  // above the diagonal
    kernels::multiply_panels(packed, x + row * depth, rows, band * band_panels,
                             std::min((band + 1) * band_panels, packed.num_panels()),
                             y + row * n + band * kBand, n, kernels::Output::kAdd);
  });
}

// Rows [first, last) of the lower triangle up to column `last`, off-diagonal entries doubled.
kernels::PackedWeight pack_band(const at::Tensor& gram, int64_t first, int64_t last) {
  auto band = gram.narrow(0, first, last - first).narrow(1, 0, last).tril(first).mul_(2.0f);
  band.diagonal(first).mul_(0.5f);
  return kernels::pack_weight(band.contiguous().const_data_ptr<float>(), last - first, last);
}

double sum_in_order(const std::vector<double>& parts) {
  return std::accumulate(parts.begin(), parts.end(), 0.0);
}

// Four chains, so that additions overlap.
double squares_in_lanes(const float* x, int64_t n) {
  std::array<double, 4> lanes{};
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    for (size_t lane = 0; lane < 4; ++lane) {
      const double value = x[i + static_cast<int64_t>(lane)];
      lanes[lane] += value * value;
    }
  }
  for (; i < n; ++i) lanes[0] += static_cast<double>(x[i]) * x[i];
  return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

}  // namespace

EnergyForm cheaper_energy_form(int64_t num_tokens, int64_t in_features, int64_t num_rows) {
  const auto tokens = static_cast<double>(num_tokens), in = static_cast<double>(in_features),
             rows = static_cast<double>(num_rows);
  return tokens * rows <= (tokens + rows) * in / 2 ? EnergyForm::kTokens : EnergyForm::kGram;
}

double sum_of_squares(const at::Tensor& matrix) {
  const auto in_order = matrix.contiguous();
  const float* x = in_order.const_data_ptr<float>();
  const int64_t rows = matrix.size(0), cols = matrix.size(1);
  std::vector<double> sums(static_cast<size_t>(rows), 0.0);
  for_each_row_block(rows, cols, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      sums[static_cast<size_t>(row)] = squares_in_lanes(x + row * cols, cols);
    }
  });
  return sum_in_order(sums);
}

ErrorEnergy::ErrorEnergy(const at::Tensor& inputs, EnergyForm form)
    : form_(form), in_features_(inputs.dim() == 2 ? inputs.size(1) : 0) {
  require_finite_matrix(inputs, "error energy: inputs");
  require(inputs.scalar_type() == at::kFloat, "error energy: inputs must be float32, got ",
          inputs.scalar_type());
  if (form == EnergyForm::kTokens) {
    inputs_ = inputs.contiguous();
    return;
  }
  auto gram = at::zeros({in_features_, in_features_}, at::kFloat);
  for (int64_t first = 0; first < inputs.size(0); first += kTokenChunk) {
    add_to_lower_(gram, inputs.narrow(0, first, std::min(kTokenChunk, inputs.size(0) - first)));
  }
  for (int64_t first = 0; first < in_features_; first += kBand) {
    lower_.push_back(pack_band(gram, first, std::min(first + kBand, in_features_)));
  }
}

double ErrorEnergy::operator()(const at::Tensor& errors) const {
  require(errors.dim() == 2 && errors.size(1) == in_features_ && errors.size(0) > 0 &&
              errors.scalar_type() == at::kFloat,
          "error energy: errors must be float32 [rows, ", in_features_, "], got ",
          errors.scalar_type(), " ", errors.sizes());
  const auto in_order = errors.contiguous();
  return form_ == EnergyForm::kTokens ? over_tokens(in_order) : over_gram(in_order);
}

double ErrorEnergy::over_tokens(const at::Tensor& errors) const {
  const int64_t tokens = inputs_.size(0), rows = errors.size(0);
  const float* x = inputs_.const_data_ptr<float>();
  const auto packed = kernels::pack_weight(errors.const_data_ptr<float>(), rows, in_features_);
  const int64_t bands = num_blocks(rows, kBand), band_panels = kBand / packed.panel_width;
  std::vector<double> parts(static_cast<size_t>(num_blocks(tokens, kernels::kRowBlock) * bands));
  parallel_for(static_cast<int64_t>(parts.size()), [&](int64_t task) {
    const int64_t token = task / bands * kernels::kRowBlock, band = task % bands;
    const int64_t count = std::min(kernels::kRowBlock, tokens - token);
    const int64_t width = std::min(kBand, rows - band * kBand);
    thread_local std::vector<float> y;
    y.resize(static_cast<size_t>(count * width));
    kernels::multiply_panels(packed, x + token * in_features_, count, band * band_panels,
                             std::min((band + 1) * band_panels, packed.num_panels()), y.data(),
                             width);
    parts[static_cast<size_t>(task)] = squares_in_lanes(y.data(), count * width);
  });
  return sum_in_order(parts);
}

double ErrorEnergy::over_gram(const at::Tensor& errors) const {
  const int64_t rows = errors.size(0), n = in_features_;
  const float* d = errors.const_data_ptr<float>();
  const auto bands = static_cast<int64_t>(lower_.size());
  std::vector<double> parts(static_cast<size_t>(num_blocks(rows, kernels::kRowBlock) * bands));
  parallel_for(static_cast<int64_t>(parts.size()), [&](int64_t task) {
    // The widest band first, so that no thread is left with it at the end.
    const int64_t row = task / bands * kernels::kRowBlock, band = bands - 1 - task % bands;
    const int64_t count = std::min(kernels::kRowBlock, rows - row);
    const kernels::PackedWeight& lower = lower_[static_cast<size_t>(band)];
    const int64_t depth = lower.in_features, width = lower.out_features;
    thread_local std::vector<float> x, y;
    x.resize(static_cast<size_t>(count * depth));
    y.resize(static_cast<size_t>(count * width));
    for (int64_t r = 0; r < count; ++r) {
      std::copy_n(d + (row + r) * n, depth, x.begin() + r * depth);
    }
    kernels::multiply_panels(lower, x.data(), count, 0, lower.num_panels(), y.data(), width);
    double sum = 0;
    for (int64_t r = 0; r < count; ++r) {
      const float* error = d + (row + r) * n + band * kBand;
      for (int64_t i = 0; i < width; ++i) {
        sum += static_cast<double>(error[i]) *
               static_cast<double>(y[static_cast<size_t>(r * width + i)]);
      }
    }
    parts[static_cast<size_t>(task)] = sum;
  });
  // d G d^T >= 0; rounding may leave a sum of nothing just below.
  return std::max(0.0, sum_in_order(parts));
}

}  // namespace assay
