#include "kernels/backward.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "kernels/exp.h"
#include "kernels/gemm.h"

namespace assay::kernels {
namespace {

// Calls fn(first, last) for blocks of [0, count), in parallel.
template <class Fn>
void in_blocks(int64_t count, int64_t block, const Fn& fn) {
  parallel_for((count + block - 1) / block,
               [&](int64_t i) { fn(i * block, std::min(count, (i + 1) * block)); });
}

// x [rows, cols] -> [cols, rows]
std::vector<float> transposed(const float* x, int64_t rows, int64_t cols) {
  std::vector<float> result(static_cast<size_t>(rows * cols));
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) result[static_cast<size_t>(c * rows + r)] = x[r * cols + c];
  }
  return result;
}

// One head out of rows of several, times a factor: [rows, head_dim].
std::vector<float> head_rows(const float* x, int64_t rows, int64_t num_heads, int64_t head,
                             int64_t head_dim, float factor) {
  std::vector<float> result(static_cast<size_t>(rows * head_dim));
  for (int64_t r = 0; r < rows; ++r) {
    const float* from = x + (r * num_heads + head) * head_dim;
    for (int64_t d = 0; d < head_dim; ++d)
      result[static_cast<size_t>(r * head_dim + d)] = from[d] * factor;
  }
  return result;
}

void exp_minus_portable(float* x, int64_t count, float max) {
  for (int64_t i = 0; i < count; ++i) x[i] = exp_float(x[i] - max);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void exp_minus_avx2(float* x, int64_t count, float max) {
  const __m256 largest = _mm256_set1_ps(max);
  int64_t i = 0;
  for (; i + 8 <= count; i += 8)
    _mm256_storeu_ps(x + i, exp_avx2(_mm256_sub_ps(_mm256_loadu_ps(x + i), largest)));
  exp_minus_portable(x + i, count - i, max);
}
#endif

void exp_minus(float* x, int64_t count, float max, [[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
  if (isa != Isa::kPortable) return exp_minus_avx2(x, count, max);
#endif
  exp_minus_portable(x, count, max);
}

// One query head: rows and keys are walked in blocks of kRowBlock, those behind the diagonal left
// out. Its key and value gradients are summed with those of the heads that share them afterwards.
class HeadGradient {
 public:
  HeadGradient(const AttentionShape& shape, int64_t num_rows, const AttentionGradient& gradient,
               int64_t head, Isa isa)
      : shape_(shape),
        rows_(num_rows),
        dim_(shape.head_dim),
        isa_(isa),
        scale_(score_scale(shape)) {
    const int64_t kv_head = head / (shape.num_heads / shape.num_kv_heads);
    queries_ = head_rows(gradient.queries, rows_, shape.num_heads, head, dim_, scale_);
    d_out_ = head_rows(gradient.d_out, rows_, shape.num_heads, head, dim_, 1);
    const auto out = head_rows(gradient.out, rows_, shape.num_heads, head, dim_, 1);
    for (int64_t r = 0; r < rows_; ++r) {
      double sum = 0;
      for (int64_t i = r * dim_; i < (r + 1) * dim_; ++i) {
        sum += static_cast<double>(out[static_cast<size_t>(i)]) *
               static_cast<double>(d_out_[static_cast<size_t>(i)]);
      }
      out_dot_d_out_.push_back(static_cast<float>(sum));
    }
    const auto keys = head_rows(gradient.keys, rows_, shape.num_kv_heads, kv_head, dim_, 1);
    const auto values = head_rows(gradient.values, rows_, shape.num_kv_heads, kv_head, dim_, 1);
    for (int64_t first = 0; first < rows_; first += kRowBlock) {
      const int64_t count = block_rows(first / kRowBlock);
      const float* k = keys.data() + first * dim_;
      keys_.push_back(pack_weight(k, count, dim_, isa_));
      values_.push_back(pack_weight(values.data() + first * dim_, count, dim_, isa_));
      keys_transposed_.push_back(pack_transposed(k, dim_, dim_, count, isa_));
    }
  }

  // d_queries [num_rows, num_heads * head_dim] at this head; d_keys, d_values [num_rows, head_dim],
  // zero before.
  void run(float* d_queries, int64_t stride, float* d_keys, float* d_values) {
    std::vector<float> block(static_cast<size_t>(kRowBlock * dim_));
    for (int64_t b = 0; b < static_cast<int64_t>(keys_.size()); ++b) {
      rows_back(b, block.data(), d_keys, d_values);
      for (int64_t r = 0; r < block_rows(b); ++r) {
        float* to = d_queries + (b * kRowBlock + r) * stride;
        for (int64_t d = 0; d < dim_; ++d)
          to[d] = block[static_cast<size_t>(r * dim_ + d)] * scale_;
      }
    }
  }

 private:
  int64_t block_rows(int64_t block) const { return std::min(kRowBlock, rows_ - block * kRowBlock); }

  // P = softmax(scale Q K^T) of the rows of block b: one [rows, keys] matrix for every block of
  // keys.
  std::vector<std::vector<float>> weights(int64_t b) const {
    const int64_t rows = block_rows(b);
    std::vector<std::vector<float>> p;
    for (int64_t c = 0; c <= b; ++c) {
      p.emplace_back(static_cast<size_t>(rows * block_rows(c)));
      multiply(keys_[static_cast<size_t>(c)], queries_.data() + b * kRowBlock * dim_, rows,
               p.back().data());
    }
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t from = first_seen(shape_, b * kRowBlock + r);
      // The keys [start, end) of block c that the row sees.
      const auto end = [&](int64_t c) { return c == b ? r + 1 : block_rows(c); };
      const auto start = [&](int64_t c) {
        return std::clamp<int64_t>(from - c * kRowBlock, 0, end(c));
      };
      const auto row = [&](int64_t c) {
        return p[static_cast<size_t>(c)].data() + r * block_rows(c);
      };
      float max = row(b)[r];
      for (int64_t c = 0; c <= b; ++c) {
        for (int64_t j = start(c); j < end(c); ++j) max = std::max(max, row(c)[j]);
      }
      double sum = 0;
      for (int64_t c = 0; c <= b; ++c) {
        exp_minus(row(c) + start(c), end(c) - start(c), max, isa_);
        for (int64_t j = start(c); j < end(c); ++j) sum += static_cast<double>(row(c)[j]);
      }
      const auto inverse = static_cast<float>(1 / sum);
      for (int64_t c = 0; c <= b; ++c) {
        for (int64_t j = 0; j < block_rows(c); ++j)
          row(c)[j] = start(c) <= j && j < end(c) ? row(c)[j] * inverse : 0;
      }
    }
    return p;
  }

  // dV += P^T dO;  dS = P * (dO V^T - rowsum(O * dO));  dQ = dS K (times scale);  dK += dS^T scale
  // Q
  void rows_back(int64_t b, float* d_queries, float* d_keys, float* d_values) const {
    const int64_t rows = block_rows(b), first = b * kRowBlock;
    const float* d_out = d_out_.data() + first * dim_;
    const auto queries_t = pack_transposed(queries_.data() + first * dim_, dim_, dim_, rows, isa_);
    const auto d_out_t = pack_transposed(d_out, dim_, dim_, rows, isa_);
    const auto p = weights(b);
    for (int64_t c = 0; c <= b; ++c) {
      const auto block = static_cast<size_t>(c);
      const int64_t keys = block_rows(c), at = c * kRowBlock * dim_;
      multiply(d_out_t, transposed(p[block].data(), rows, keys).data(), keys, d_values + at,
               Output::kAdd);
      std::vector<float> d_scores(static_cast<size_t>(rows * keys));
      multiply(values_[block], d_out, rows, d_scores.data());
      for (int64_t r = 0; r < rows; ++r) {
        const float dot = out_dot_d_out_[static_cast<size_t>(first + r)];
        for (auto i = static_cast<size_t>(r * keys); i < static_cast<size_t>((r + 1) * keys); ++i)
          d_scores[i] = p[block][i] * (d_scores[i] - dot);
      }
      multiply(keys_transposed_[block], d_scores.data(), rows, d_queries,
               c == 0 ? Output::kWrite : Output::kAdd);
      multiply(queries_t, transposed(d_scores.data(), rows, keys).data(), keys, d_keys + at,
               Output::kAdd);
    }
  }

  AttentionShape shape_;
  int64_t rows_, dim_;
  Isa isa_;
  float scale_;
  std::vector<float> queries_, d_out_, out_dot_d_out_;         // queries times scale
  std::vector<PackedWeight> keys_, values_, keys_transposed_;  // by block
};

// sum over the heads of a group, in order, into rows of num_kv_heads heads.
void sum_groups(const AttentionShape& shape, int64_t num_rows, const std::vector<float>& by_head,
                float* out) {
  const int64_t group = shape.num_heads / shape.num_kv_heads, dim = shape.head_dim;
  in_blocks(num_rows, 64, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      for (int64_t h = 0; h < shape.num_heads; ++h) {
        const float* from = by_head.data() + (h * num_rows + r) * dim;
        float* to = out + (r * shape.num_kv_heads + h / group) * dim;
        for (int64_t d = 0; d < dim; ++d) to[d] = h % group == 0 ? from[d] : to[d] + from[d];
      }
    }
  });
}

}  // namespace

void add_rms_norm_gradient(const float* x, const float* dy, int64_t num_rows,
                           std::span<const float> weight, double eps, float* dx) {
  const auto n = static_cast<int64_t>(weight.size());
  const auto count = static_cast<double>(n);
  in_blocks(num_rows, 64, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      const float *xr = x + row * n, *dyr = dy + row * n;
      double squares = 0, dot = 0;
      for (int64_t i = 0; i < n; ++i) {
        const double value = xr[i];
        squares += value * value;
        dot += static_cast<double>(weight[static_cast<size_t>(i)]) * dyr[i] * value;
      }
      const double r = 1 / std::sqrt(squares / count + eps), along = r * r * dot / count;
      for (int64_t i = 0; i < n; ++i) {
        const double w_dy = static_cast<double>(weight[static_cast<size_t>(i)]) * dyr[i];
        dx[row * n + i] += static_cast<float>(r * (w_dy - xr[i] * along));
      }
    }
  });
}

// Both activations are g * sigmoid(a(g)), so their slope is sigmoid + g sigmoid (1 - sigmoid)
// a'(g).
void activate_times_gradient_(Activation activation, float* gate, float* up, const float* dy,
                              int64_t count) {
  const bool is_silu = activation == Activation::kSilu;
  if (!is_silu && activation != Activation::kGeluTanh)
    fail(ErrorKind::kInternal, "activate_times_gradient_: of SiLU and GELU's tanh form alone");
  in_blocks(count, 16 * 1024, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const float g = gate[i], cubic = kGeluCube * (g * g);
      const float argument = is_silu ? g : kGeluFactor * (g * (1.0f + cubic)),
                  slope = is_silu ? 1.0f : kGeluFactor * (1.0f + 3.0f * cubic);
      const float sigmoid = 1.0f / (1.0f + exp_float(-argument)), activated = g * sigmoid;
      gate[i] = dy[i] * up[i] * (sigmoid + activated * (1.0f - sigmoid) * slope);
      up[i] = dy[i] * activated;
    }
  });
}

void attention_gradient(const AttentionShape& shape, int64_t num_rows,
                        const AttentionGradient& gradient, Isa isa) {
  if (shape.softcap != 0 || !shape.alibi_slopes.empty())
    fail(ErrorKind::kInternal, "attention_gradient: caps and slopes have none");
  const int64_t dim = shape.head_dim, stride = shape.num_heads * dim;
  std::vector<float> d_keys(static_cast<size_t>(stride * num_rows)), d_values(d_keys.size());
  parallel_for(shape.num_heads, [&](int64_t head) {
    HeadGradient(shape, num_rows, gradient, head, isa)
        .run(gradient.d_queries + head * dim, stride, d_keys.data() + head * num_rows * dim,
             d_values.data() + head * num_rows * dim);
  });
  sum_groups(shape, num_rows, d_keys, gradient.d_keys);
  sum_groups(shape, num_rows, d_values, gradient.d_values);
}

}  // namespace assay::kernels
