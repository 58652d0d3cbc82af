#include "compress/selection.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "base/error.h"
#include "base/every_isa.h"
#include "base/thread_pool.h"
#include "compress/row_blocks.h"
#include "compress/selection_plain.h"

namespace assay {
namespace {

constexpr uint32_t kNanKey = UINT32_MAX;
constexpr int64_t kRange = 1 << 15;  // entries of a task that has no rows

// An unsigned image of a float32 that orders as the values do, with one key for both zeros and NaN
// on top.
uint32_t order_key(float value) {
  if (value != value) return kNanKey;
  const auto bits = std::bit_cast<uint32_t>(value + 0.0f);  // -0.0 + 0.0 = +0.0
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

// The key of rank `rank`, how many keys are smaller and how many are equal: entries below go, of
// those equal the first rank + 1 - below.
struct Threshold {
  uint32_t key = 0;
  int64_t num_below = 0, num_equal = 0;
};

// Walks a histogram to the bucket that holds `rank`; `num_below` counts what lies before it.
template <class Count>
size_t bucket_of_rank(const std::vector<Count>& histogram, int64_t rank, int64_t& num_below) {
  size_t bucket = 0;
  while (num_below + static_cast<int64_t>(histogram[bucket]) <= rank) {
    num_below += static_cast<int64_t>(histogram[bucket++]);
  }
  return bucket;
}

ASSAY_EVERY_ISA void keys_of(const float* values, int64_t n, uint32_t* keys) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) keys[i] = order_key(values[i]);
}

ASSAY_EVERY_ISA int64_t count_up_to(const uint32_t* keys, int64_t n, uint32_t limit) {
  int32_t count = 0;
#pragma omp simd reduction(+ : count)
  for (int64_t i = 0; i < n; ++i) count += keys[i] <= limit ? 1 : 0;
  return count;
}

// Of one row, by bisection over the keys: a pass is a count, and a row stays in the first cache.
Threshold row_threshold(const std::vector<uint32_t>& keys, int64_t rank) {
  const auto n = static_cast<int64_t>(keys.size());
  uint32_t low = 0, high = kNanKey;  // low <= key of the rank <= high
  int64_t num_below = 0, up_to_high = n;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    const int64_t count = count_up_to(keys.data(), n, middle);
    if (count > rank) {
      high = middle;
      up_to_high = count;
    } else {
      low = middle + 1;
      num_below = count;
    }
  }
  return {high, num_below, up_to_high - num_below};
}

ASSAY_EVERY_ISA void keep_above(const uint32_t* keys, int64_t n, uint32_t threshold, bool* keep) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) keep[i] = keys[i] > threshold || keys[i] == kNanKey;
}

// Writes the mask of keys [0, n): all below the threshold go, and the first `num_equal_pruned` that
// equal it (where that is all of them, `all_equal_go`).
void write_mask(const uint32_t* keys, int64_t n, uint32_t threshold, int64_t num_equal_pruned,
                bool all_equal_go, bool* keep) {
  if (all_equal_go) return keep_above(keys, n, threshold, keep);
  for (int64_t i = 0; i < n; ++i) {
    const bool equal_goes = keys[i] == threshold && num_equal_pruned > 0;
    if (equal_goes) --num_equal_pruned;
    keep[i] = (keys[i] >= threshold && !equal_goes) || keys[i] == kNanKey;
  }
}

int64_t num_ranges(int64_t numel) { return (numel + kRange - 1) / kRange; }

// fn(index, begin, end) over consecutive ranges of kRange entries, in parallel.
template <class Fn>
void for_each_range(int64_t numel, const Fn& fn) {
  parallel_for(num_ranges(numel), [&](int64_t range) {
    fn(range, range * kRange, std::min(numel, (range + 1) * kRange));
  });
}

// Histogram of `bucket_of(key)` where it is not negative. Counts are whole numbers, so threads do
// not change them.
template <class BucketOf>
std::vector<int64_t> count_keys(const float* values, int64_t numel, const BucketOf& bucket_of) {
  const int64_t slices = num_threads();
  std::vector<std::vector<int64_t>> partial(static_cast<size_t>(slices));
  parallel_for(slices, [&](int64_t slice) {
    auto& counts = partial[static_cast<size_t>(slice)];
    counts.assign(1 << 16, 0);
    for (int64_t i = numel * slice / slices; i < numel * (slice + 1) / slices; ++i) {
      const int64_t bucket = bucket_of(order_key(values[i]));
      if (bucket >= 0) ++counts[static_cast<size_t>(bucket)];
    }
  });
  for (size_t slice = 1; slice < partial.size(); ++slice) {
    for (size_t i = 0; i < partial[0].size(); ++i) partial[0][i] += partial[slice][i];
  }
  return partial[0];
}

// The whole matrix: two histograms of 16 bits each find the key of a rank exactly.
Threshold matrix_threshold(const float* values, int64_t numel, int64_t rank) {
  int64_t num_below = 0;
  const auto high_counts =
      count_keys(values, numel, [](uint32_t key) -> int64_t { return key >> 16; });
  const auto high = static_cast<uint32_t>(bucket_of_rank(high_counts, rank, num_below));
  const auto low_counts = count_keys(values, numel, [&](uint32_t key) -> int64_t {
    return key >> 16 == high ? static_cast<int64_t>(key & 0xffffu) : -1;
  });
  const auto low = static_cast<uint32_t>(bucket_of_rank(low_counts, rank, num_below));
  return {high << 16 | low, num_below, low_counts[low]};
}

void check_metric(const at::Tensor& metric, int64_t count, int64_t limit) {
  require(metric.dim() == 2, "selection: metric must be [rows, cols], got ", metric.sizes());
  require(metric.device().is_cpu(), "selection: metric must be on the CPU, got ", metric.device());
  require(metric.scalar_type() == at::kFloat || metric.scalar_type() == at::kDouble,
          "selection: metric must be float32 or float64, got ", metric.scalar_type());
  require(0 <= count && count <= limit, "selection: count must be in [0, ", limit, "], got ",
          count);
}

// M as a constant lets the compiler unroll the comparisons; 0 = only known at run time.
template <int64_t kM>
void keep_group(const uint32_t* keys, int64_t width, int64_t num_pruned, bool* keep) {
  const int64_t m = kM > 0 ? kM : width;
  for (int64_t j = 0; j < m; ++j) {
    int64_t rank = 0;  // how many of the group are pruned before j
    for (int64_t i = 0; i < m; ++i) rank += i < j ? keys[i] <= keys[j] : keys[i] < keys[j];
    keep[j] = rank >= num_pruned || keys[j] == kNanKey;
  }
}

}  // namespace

int64_t count_to_prune(int64_t n, double sparsity) {
  require(sparsity >= 0 && sparsity <= 1, "sparsity must be in [0, 1], got ", sparsity);
  return static_cast<int64_t>(static_cast<double>(n) * sparsity);
}

int64_t num_pruned_of_group(NmPattern pattern, int64_t width, NmTail tail) {
  const int64_t pruned = pattern.of - pattern.keep;
  if (width == pattern.of) return pruned;
  if (tail == NmTail::kProportional) return pruned * width / pattern.of;
  require(pruned <= width, "pattern ", to_string(pattern), ": the last group has ", width,
          " columns, fewer than the ", pruned, " that the reference rule prunes");
  return pruned;
}

at::Tensor keep_largest_per_row(const at::Tensor& metric, int64_t num_pruned) {
  check_metric(metric, num_pruned, metric.dim() == 2 ? metric.size(1) : 0);
  if (metric.scalar_type() == at::kDouble) return plain::keep_largest_per_row(metric, num_pruned);
  const auto values = metric.contiguous();
  const int64_t cols = metric.size(1);
  const float* in = values.const_data_ptr<float>();
  return keep_largest_per_row(
      metric.size(0), cols, [&](int64_t row, float*) { return in + row * cols; }, num_pruned);
}

at::Tensor keep_largest_per_row(int64_t rows, int64_t cols, const MetricOfRow& metric_of,
                                int64_t num_pruned) {
  require(0 <= num_pruned && num_pruned <= cols, "selection: count must be in [0, ", cols,
          "], got ", num_pruned);
  auto keep = at::ones({rows, cols}, at::kBool);
  bool* out = keep.data_ptr<bool>();
  for_each_row_block(rows, cols, [&](int64_t first, int64_t last) {
    std::vector<float> scratch(static_cast<size_t>(cols));
    std::vector<uint32_t> keys(static_cast<size_t>(cols));
    for (int64_t row = first; row < last; ++row) {
      const float* metric = metric_of(row, scratch.data());
      if (num_pruned == 0) continue;
      keys_of(metric, cols, keys.data());
      const auto [key, num_below, num_equal] = row_threshold(keys, num_pruned - 1);
      const int64_t num_equal_pruned = num_pruned - num_below;
      write_mask(keys.data(), cols, key, num_equal_pruned, num_equal_pruned == num_equal,
                 out + row * cols);
    }
  });
  return keep;
}

at::Tensor keep_largest_of_matrix(const at::Tensor& metric, int64_t num_pruned) {
  check_metric(metric, num_pruned, metric.numel());
  if (metric.scalar_type() == at::kDouble) return plain::keep_largest_of_matrix(metric, num_pruned);
  auto keep = at::ones(metric.sizes(), metric.options().dtype(at::kBool));
  if (num_pruned == 0) return keep;
  const auto values = metric.contiguous();
  const float* in = values.const_data_ptr<float>();
  bool* out = keep.data_ptr<bool>();
  const int64_t numel = metric.numel();
  const auto [key, num_below, num_equal] = matrix_threshold(in, numel, num_pruned - 1);
  const int64_t num_equal_pruned = num_pruned - num_below;
  const bool all_equal_go = num_equal_pruned == num_equal;
  // Ties go in order of index: each range must know how many equal entries come before it.
  std::vector<int64_t> equal_before(static_cast<size_t>(num_ranges(numel)) + 1, 0);
  for_each_range(numel, [&, key = key](int64_t range, int64_t begin, int64_t end) {
    equal_before[static_cast<size_t>(range) + 1] =
        std::count_if(in + begin, in + end, [&](float v) { return order_key(v) == key; });
  });
  for (size_t i = 1; i < equal_before.size(); ++i) equal_before[i] += equal_before[i - 1];
  for_each_range(numel, [&, key = key](int64_t range, int64_t begin, int64_t end) {
    std::vector<uint32_t> keys(static_cast<size_t>(end - begin));
    keys_of(in + begin, end - begin, keys.data());
    write_mask(keys.data(), end - begin, key,
               num_equal_pruned - equal_before[static_cast<size_t>(range)], all_equal_go,
               out + begin);
  });
  return keep;
}

at::Tensor keep_above_rank(const at::Tensor& metric, int64_t rank) {
  check_metric(metric, rank, metric.numel() - 1);
  if (metric.scalar_type() == at::kDouble) return plain::keep_above_rank(metric, rank);
  auto keep = at::empty(metric.sizes(), metric.options().dtype(at::kBool));
  const auto values = metric.contiguous();
  const float* in = values.const_data_ptr<float>();
  bool* out = keep.data_ptr<bool>();
  const uint32_t threshold = matrix_threshold(in, metric.numel(), rank).key;
  for_each_range(metric.numel(), [&](int64_t, int64_t begin, int64_t end) {
    std::transform(in + begin, in + end, out + begin, [&](float v) {
      const uint32_t key = order_key(v);
      return key > threshold || key == kNanKey;
    });
  });
  return keep;
}

at::Tensor keep_n_of_m(const at::Tensor& metric, NmPattern pattern, NmTail tail) {
  check_metric(metric, 0, 0);
  const int64_t m = pattern.of, cols = metric.size(1), tail_width = cols % m;
  const int64_t num_pruned = num_pruned_of_group(pattern, m, tail);
  const int64_t tail_pruned = tail_width == 0 ? 0 : num_pruned_of_group(pattern, tail_width, tail);
  if (metric.scalar_type() == at::kDouble) return plain::keep_n_of_m(metric, pattern, tail);
  auto keep = at::empty(metric.sizes(), metric.options().dtype(at::kBool));
  const auto values = metric.contiguous();
  const float* in = values.const_data_ptr<float>();
  bool* out = keep.data_ptr<bool>();
  const auto keep_full_group = m == 2   ? keep_group<2>
                               : m == 4 ? keep_group<4>
                               : m == 8 ? keep_group<8>
                                        : keep_group<0>;
  for_each_row_block(metric.size(0), cols, [&](int64_t first, int64_t last) {
    std::vector<uint32_t> keys(static_cast<size_t>(cols));
    for (int64_t row = first; row < last; ++row) {
      std::transform(in + row * cols, in + (row + 1) * cols, keys.begin(), order_key);
      bool* row_out = out + row * cols;
      const int64_t full = cols - tail_width;
      for (int64_t j = 0; j < full; j += m)
        keep_full_group(keys.data() + j, m, num_pruned, row_out + j);
      if (tail_width > 0)
        keep_group<0>(keys.data() + full, tail_width, tail_pruned, row_out + full);
    }
  });
  return keep;
}

}  // namespace assay
