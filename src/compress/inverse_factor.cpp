#include "compress/inverse_factor.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "compress/metric.h"
#include "kernels/gemm.h"

namespace assay {
namespace {

constexpr int64_t kLeaf = 96;    // columns that are factored without blocks, in float64
constexpr int64_t kStrip = 256;  // columns whose part of a triangle is multiplied as a rectangle

// y = x w^T, or y -= x w^T, for x [rows, depth], w [cols, depth], y [rows, cols], each of which may
// be a part of a matrix; w may also be one of a transposed matrix.
void product_(at::Tensor y, const at::Tensor& x, const at::Tensor& w, kernels::Output output) {
  const float* right = w.const_data_ptr<float>();
  const auto packed =
      w.stride(1) == 1
          ? kernels::pack_weight(right, w.stride(0), w.size(0), w.size(1), kernels::best_isa())
          : kernels::pack_transposed(right, w.stride(1), w.size(0), w.size(1));
  kernels::multiply(packed, x.const_data_ptr<float>(), x.stride(0), x.size(0),
                    y.mutable_data_ptr<float>(), y.stride(0), output);
}

// fn(first column, number of columns) over strips of `width` columns.
template <class Fn>
void for_each_strip(int64_t width, const Fn& fn) {
  for (int64_t first = 0; first < width; first += kStrip)
    fn(first, std::min(kStrip, width - first));
}

// A leaf: a <- L^-1 for the lower triangle of a = L L^T. False where a pivot is not positive.
bool invert_leaf_(at::Tensor& a) {
  const auto n = static_cast<size_t>(a.size(0));
  std::vector<double> lower(n * n, 0.0), inverse(n * n, 0.0);
  auto in = a.accessor<float, 2>();
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j <= i; ++j) {
      double sum = static_cast<double>(in[static_cast<int64_t>(i)][static_cast<int64_t>(j)]);
      for (size_t k = 0; k < j; ++k) sum -= lower[i * n + k] * lower[j * n + k];
      if (i != j) {
        lower[i * n + j] = sum / lower[j * n + j];
      } else {
        if (!(sum > 0) || !std::isfinite(sum)) return false;
        lower[i * n + i] = std::sqrt(sum);
      }
    }
  }
  for (size_t j = 0; j < n; ++j) {
    inverse[j * n + j] = 1 / lower[j * n + j];
    for (size_t i = j + 1; i < n; ++i) {
      double sum = 0;
      for (size_t k = j; k < i; ++k) sum -= lower[i * n + k] * inverse[k * n + j];
      inverse[i * n + j] = sum / lower[i * n + i];
    }
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) {
      in[static_cast<int64_t>(i)][static_cast<int64_t>(j)] = static_cast<float>(inverse[i * n + j]);
    }
  }
  return true;
}

// a [n, n], of which the lower triangle is read, becomes L^-1 (lower, zeros above) for a = L L^T:
//   L^-1 = |          X11   0  |    X11 = inverse factor of a11, L21 = a21 X11^T,
//          | -X22 L21 X11  X22 |    X22 = inverse factor of a22 - L21 L21^T.
bool invert_cholesky_(at::Tensor a) {
  const int64_t n = a.size(0);
  if (n <= kLeaf) return invert_leaf_(a);
  const int64_t m = (n / 2 + 31) / 32 * 32, rest = n - m;
  at::Tensor x11 = a.narrow(0, 0, m).narrow(1, 0, m), a21 = a.narrow(0, m, rest).narrow(1, 0, m),
             x22 = a.narrow(0, m, rest).narrow(1, m, rest);
  if (!invert_cholesky_(x11)) return false;

  at::Tensor l21 = at::empty({rest, m}, at::kFloat);
  for_each_strip(m, [&](int64_t first, int64_t width) {
    const int64_t depth = first + width;  // X11 is zero right of it
    product_(l21.narrow(1, first, width), a21.narrow(1, 0, depth),
             x11.narrow(0, first, width).narrow(1, 0, depth), kernels::Output::kWrite);
  });
  for_each_strip(rest, [&](int64_t first, int64_t width) {  // the lower triangle alone
    product_(x22.narrow(0, first, rest - first).narrow(1, first, width),
             l21.narrow(0, first, rest - first), l21.narrow(0, first, width),
             kernels::Output::kSubtract);
  });
  if (!invert_cholesky_(x22)) return false;

  at::Tensor l21_x11 = at::empty({rest, m}, at::kFloat);
  for_each_strip(m, [&](int64_t first, int64_t width) {
    const int64_t depth = m - first;  // X11 is zero above
    product_(l21_x11.narrow(1, first, width), l21.narrow(1, first, depth),
             x11.narrow(0, first, depth).narrow(1, first, width).t(), kernels::Output::kWrite);
  });
  l21.reset();  // a quarter of a wide matrix counts
  a21.zero_();
  for_each_strip(rest, [&](int64_t first, int64_t width) {
    const int64_t depth = first + width;  // X22 is zero right of it
    product_(a21.narrow(0, first, width), x22.narrow(0, first, width).narrow(1, 0, depth),
             l21_x11.narrow(0, 0, depth).t(), kernels::Output::kSubtract);
  });
  a.narrow(0, 0, m).narrow(1, m, rest).zero_();
  return true;
}

// What H becomes before it is factored: ones on the diagonal for dead inputs, and of all inputs a
// share of the diagonal's mean on top.
struct Prepared {
  at::Tensor hessian;          // as given
  std::vector<int64_t> order;  // that is asked for, and the two below are in
  at::Tensor dead;             // [in] bool
  at::Tensor diagonal;         // [in], with ones
  double mean_diagonal = 0;
};

Prepared prepare(const at::Tensor& hessian, double damp_percent, std::span<const int64_t> order) {
  require_finite_matrix(hessian, "inverse factor: Hessian");
  require(hessian.size(0) == hessian.size(1), "inverse factor: the Hessian must be square, got ",
          hessian.sizes());
  require(damp_percent >= 0 && std::isfinite(damp_percent),
          "inverse factor: damp_percent must not be negative, got ", damp_percent);
  require(order.empty() || static_cast<int64_t>(order.size()) == hessian.size(0),
          "inverse factor: ", order.size(), " inputs in order, ", hessian.size(0),
          " in the Hessian");
  Prepared prepared;
  prepared.hessian = hessian.contiguous();
  prepared.order.assign(order.begin(), order.end());
  if (order.empty()) {
    prepared.order.resize(static_cast<size_t>(hessian.size(0)));
    std::iota(prepared.order.begin(), prepared.order.end(), 0);
  }
  const auto diagonal = hessian.diagonal().index_select(0, at::tensor(prepared.order, at::kLong));
  prepared.dead = diagonal == 0;
  prepared.diagonal = diagonal.masked_fill(prepared.dead, 1.0);
  prepared.mean_diagonal = prepared.diagonal.to(at::kDouble).mean().item<double>();
  return prepared;
}

// Row i and column j are row and column order[n - 1 - i] and order[n - 1 - j] of the matrix.
at::Tensor in_reverse(const at::Tensor& matrix, const std::vector<int64_t>& order) {
  const int64_t n = matrix.size(0);
  const std::vector<int64_t> reverse(order.rbegin(), order.rend());
  auto result = at::empty({n, n}, at::kFloat);
  const float* from = matrix.const_data_ptr<float>();
  float* to = result.mutable_data_ptr<float>();
  parallel_for(n, [&](int64_t row) {
    const float* source = from + reverse[static_cast<size_t>(row)] * n;
    for (size_t col = 0; col < reverse.size(); ++col) {
      to[row * n + static_cast<int64_t>(col)] = source[reverse[col]];
    }
  });
  return result;
}

bool is_finite(const at::Tensor& matrix) {
  const auto [low, high] = matrix.aminmax();  // both are NaN when one entry is
  return std::isfinite(low.item<float>()) && std::isfinite(high.item<float>());
}

std::optional<at::Tensor> factor(const Prepared& prepared, double damp_percent) {
  // In reverse order H = (P L P)(P L P)^T with P L P upper, so U = P L^-1 P.
  at::Tensor reversed = in_reverse(prepared.hessian, prepared.order);
  const at::Tensor damped = prepared.diagonal + damp_percent * prepared.mean_diagonal;
  reversed.diagonal().copy_(damped.flip({0}));
  if (!invert_cholesky_(reversed)) return std::nullopt;
  // Both dimensions in reverse, where they lie: a second copy of a wide factor counts.
  float* values = reversed.mutable_data_ptr<float>();
  std::reverse(values, values + reversed.numel());
  if (!is_finite(reversed)) return std::nullopt;
  return reversed;
}

}  // namespace

InverseFactor inverse_factor(const at::Tensor& hessian, double damp_percent,
                             std::span<const int64_t> order) {
  require(hessian.scalar_type() == at::kFloat, "inverse factor: the Hessian must be float32, got ",
          hessian.scalar_type());
  const Prepared prepared = prepare(hessian, damp_percent, order);
  InverseFactor result{.upper = {}, .dead = prepared.dead, .damp_percent = damp_percent};
  while (true) {
    if (auto upper = factor(prepared, result.damp_percent)) {
      result.upper = std::move(*upper);
      return result;
    }
    if (result.damp_percent >= 1) break;
    result.damp_percent = std::min(1.0, std::max(0.01, result.damp_percent * 10));
  }
  result.upper = at::eye(hessian.size(0), at::kFloat);
  result.is_identity = true;
  return result;
}

at::Tensor plain_inverse_factor(const at::Tensor& hessian, double damp_percent) {
  const Prepared prepared = prepare(hessian.to(at::kDouble), damp_percent, {});
  at::Tensor damped = prepared.hessian.clone();
  damped.diagonal().copy_(prepared.diagonal + damp_percent * prepared.mean_diagonal);
  const auto [lower, info] = at::linalg_cholesky_ex(damped);
  if (info.item<int64_t>() != 0) return {};
  return at::linalg_cholesky(at::cholesky_inverse(lower), /*upper=*/true);
}

}  // namespace assay
