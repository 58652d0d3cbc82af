#include "compress/awq_clip.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "compress/metric.h"
#include "compress/row_blocks.h"
#include "kernels/gemm.h"

namespace assay {
namespace {

constexpr int64_t kRowsTogether = kernels::kRowBlock / kAwqClipSteps;
constexpr int64_t kRowsOfTask = 8 * kRowsTogether;

float largest_magnitude(const float* w, int64_t n) {
  float largest = 0;
  for (int64_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(w[i]));
  return largest;
}

float bound_of_step(float largest, int64_t step) {
  return largest * static_cast<float>(1 - static_cast<double>(step) / 20);
}

// Q(clamp(w, -m, m)) - w
void clip_error(const float* w, int64_t n, float bound, const AwqQuantizerConfig& config,
                float* error) {
  for (int64_t i = 0; i < n; ++i) error[i] = std::min(std::max(w[i], -bound), bound);
  awq_round_group(error, n, config, error);
  for (int64_t i = 0; i < n; ++i) error[i] -= w[i];
}

void check(const at::Tensor& weight, const at::Tensor& inputs, const AwqQuantizerConfig& config) {
  check_awq_quantizer(config);
  require_finite_matrix(weight, "awq clip: weight");
  require_finite_matrix(inputs, "awq clip: inputs");
  require(weight.scalar_type() == at::kFloat && inputs.scalar_type() == at::kFloat,
          "awq clip: weight and inputs must be float32, got ", weight.scalar_type(), " and ",
          inputs.scalar_type());
  require(weight.size(1) == inputs.size(1), "awq clip: weight ", weight.sizes(),
          " needs inputs [*, ", weight.size(1), "], got ", inputs.sizes());
}

// G_gg of the channels [first, first + width).
kernels::PackedWeight group_gram(const at::Tensor& inputs, int64_t first, int64_t width) {
  const auto channels = inputs.narrow(1, first, width).t().contiguous();  // [width, tokens]
  const float* x = channels.const_data_ptr<float>();
  std::vector<float> gram(static_cast<size_t>(width * width));
  kernels::multiply(kernels::pack_weight(x, width, inputs.size(0)), x, width, gram.data());
  return kernels::pack_weight(gram.data(), width, width);
}

struct Scratch {
  std::vector<float> errors, products;
};

// The best steps of `count` rows (at most kRowsTogether) in one group.
void best_steps(const kernels::PackedWeight& gram, const float* w, int64_t stride, int64_t count,
                const AwqQuantizerConfig& config, Scratch& scratch, uint8_t* steps,
                int64_t steps_stride) {
  const int64_t width = gram.in_features, rows = count * kAwqClipSteps;
  scratch.errors.resize(static_cast<size_t>(rows * width));
  scratch.products.resize(scratch.errors.size());
  float* errors = scratch.errors.data();
  for (int64_t row = 0; row < count; ++row) {
    const float largest = largest_magnitude(w + row * stride, width);
    for (int64_t step = 0; step < kAwqClipSteps; ++step) {
      clip_error(w + row * stride, width, bound_of_step(largest, step), config,
                 errors + (row * kAwqClipSteps + step) * width);
    }
  }
  kernels::multiply_panels(gram, errors, rows, 0, gram.num_panels(), scratch.products.data(),
                           width);
  for (int64_t row = 0; row < count; ++row) {
    double least = std::numeric_limits<double>::infinity();
    for (int64_t step = 0; step < kAwqClipSteps; ++step) {
      const int64_t first = (row * kAwqClipSteps + step) * width;
      double energy = 0;
      for (int64_t i = first; i < first + width; ++i) {
        energy += static_cast<double>(errors[i]) * scratch.products[static_cast<size_t>(i)];
      }
      if (energy < least) {
        least = energy;
        steps[row * steps_stride] = static_cast<uint8_t>(step);
      }
    }
  }
}

}  // namespace

at::Tensor awq_clip_sample(const at::Tensor& inputs) {
  require(inputs.dim() == 2 && inputs.size(0) > 0, "awq clip: inputs must be [tokens, in], got ",
          inputs.sizes());
  const int64_t stride = std::max<int64_t>(1, inputs.size(0) / 512);
  return inputs.slice(0, 0, inputs.size(0), stride).contiguous();
}

at::Tensor awq_clip_steps(const at::Tensor& weight, const at::Tensor& inputs,
                          const AwqQuantizerConfig& config) {
  check(weight, inputs, config);
  const auto in_order = weight.contiguous();
  const float* w = in_order.const_data_ptr<float>();
  const int64_t rows = weight.size(0), cols = weight.size(1);
  const int64_t width = awq_group_width(cols, config), groups = awq_num_groups(cols, config);
  std::vector<kernels::PackedWeight> grams(static_cast<size_t>(groups));
  parallel_for(groups, [&](int64_t g) {
    grams[static_cast<size_t>(g)] =
        group_gram(inputs, g * width, std::min(width, cols - g * width));
  });
  auto steps = at::zeros({rows, groups}, at::kByte);
  uint8_t* out = steps.data_ptr<uint8_t>();
  const int64_t row_tasks = (rows + kRowsOfTask - 1) / kRowsOfTask;
  parallel_for(groups * row_tasks, [&](int64_t task) {
    const int64_t g = task / row_tasks, first = task % row_tasks * kRowsOfTask;
    thread_local Scratch scratch;
    for (int64_t row = first; row < std::min(rows, first + kRowsOfTask); row += kRowsTogether) {
      best_steps(grams[static_cast<size_t>(g)], w + row * cols + g * width, cols,
                 std::min(kRowsTogether, rows - row), config, scratch, out + row * groups + g,
                 groups);
    }
  });
  return steps;
}

at::Tensor awq_clip_steps_plain(const at::Tensor& weight, const at::Tensor& inputs,
                                const AwqQuantizerConfig& config) {
  check(weight, inputs, config);
  const auto in_order = weight.contiguous(), tokens = inputs.contiguous();
  const float *w = in_order.const_data_ptr<float>(), *x = tokens.const_data_ptr<float>();
  const int64_t rows = weight.size(0), cols = weight.size(1), num_tokens = inputs.size(0);
  const int64_t group = awq_group_width(cols, config), groups = awq_num_groups(cols, config);
  auto steps = at::zeros({rows, groups}, at::kByte);
  uint8_t* out = steps.data_ptr<uint8_t>();
  parallel_for(rows, [&](int64_t row) {
    std::vector<float> error(static_cast<size_t>(group));
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t first = g * group, width = std::min(group, cols - first);
      const float largest = largest_magnitude(w + row * cols + first, width);
      double least = std::numeric_limits<double>::infinity();
      for (int64_t step = 0; step < kAwqClipSteps; ++step) {
        clip_error(w + row * cols + first, width, bound_of_step(largest, step), config,
                   error.data());
        double energy = 0;
        for (int64_t token = 0; token < num_tokens; ++token) {
          double change = 0;
          for (int64_t i = 0; i < width; ++i) {
            change +=
                static_cast<double>(x[token * cols + first + i]) * error[static_cast<size_t>(i)];
          }
          energy += change * change;
        }
        if (energy < least) {
          least = energy;
          out[row * groups + g] = static_cast<uint8_t>(step);
        }
      }
    }
  });
  return steps;
}

at::Tensor awq_clip_bounds(const at::Tensor& weight, const at::Tensor& steps,
                           const AwqQuantizerConfig& config) {
  check_awq_quantizer(config);
  require_finite_matrix(weight, "awq clip: weight");
  const int64_t rows = weight.size(0), cols = weight.size(1);
  const int64_t width = awq_group_width(cols, config), groups = awq_num_groups(cols, config);
  require(weight.scalar_type() == at::kFloat && steps.scalar_type() == at::kByte &&
              steps.sizes() == at::IntArrayRef({rows, groups}),
          "awq clip: weight ", weight.sizes(), " needs uint8 steps [", rows, ", ", groups,
          "], got ", steps.scalar_type(), " ", steps.sizes());
  const auto w = weight.contiguous(), s = steps.contiguous();
  auto bounds = at::empty({rows, groups}, at::kFloat);
  float* out = bounds.data_ptr<float>();
  for (int64_t i = 0; i < rows * groups; ++i) {
    const int64_t first = i % groups * width;
    out[i] = bound_of_step(largest_magnitude(w.const_data_ptr<float>() + i / groups * cols + first,
                                             std::min(width, cols - first)),
                           s.const_data_ptr<uint8_t>()[i]);
  }
  return bounds;
}

at::Tensor awq_clip(const at::Tensor& weight, const at::Tensor& bounds,
                    const AwqQuantizerConfig& config) {
  const int64_t cols = weight.size(1), width = awq_group_width(cols, config);
  require(bounds.sizes() == at::IntArrayRef({weight.size(0), awq_num_groups(cols, config)}),
          "awq clip: bounds ", bounds.sizes(), " do not fit weight ", weight.sizes());
  const auto each = bounds.repeat_interleave(width, 1).narrow(1, 0, cols);
  return at::minimum(at::maximum(weight, -each), each);
}

}  // namespace assay
