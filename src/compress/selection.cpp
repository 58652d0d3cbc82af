#include "compress/selection.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "base/error.h"
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

// The key of rank `rank` and how many keys are smaller: entries below go, of those equal the first
// rank - below + 1.
struct Threshold {
  uint32_t key = 0;
  int64_t num_below = 0;
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

// One row: a histogram of the top 12 bits (sign, exponent, 3 bits of mantissa), then a selection in
// one bucket.
struct RowSelector {
  std::vector<uint32_t> keys, candidates;
  std::vector<uint32_t> histogram = std::vector<uint32_t>(1 << 12);

  Threshold threshold(const float* values, int64_t n, int64_t rank) {
    keys.resize(static_cast<size_t>(n));
    std::fill(histogram.begin(), histogram.end(), 0u);
    for (size_t i = 0; i < keys.size(); ++i) keys[i] = order_key(values[i]);
    for (const uint32_t key : keys) ++histogram[key >> 20];
    int64_t num_below = 0;
    const auto bucket = static_cast<uint32_t>(bucket_of_rank(histogram, rank, num_below));
    candidates.clear();
    for (const uint32_t key : keys) {
      if (key >> 20 == bucket) candidates.push_back(key);
    }
    const auto nth = candidates.begin() + (rank - num_below);
    std::nth_element(candidates.begin(), nth, candidates.end());
    const uint32_t key = *nth;
    num_below +=
        std::count_if(candidates.begin(), candidates.end(), [&](uint32_t k) { return k < key; });
    return {key, num_below};
  }
};

// Writes the mask of keys [0, n): all below the threshold go, and the first `num_equal_pruned` that
// equal it.
void write_mask(const uint32_t* keys, int64_t n, uint32_t threshold, int64_t num_equal_pruned,
                bool* keep) {
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
  return {high << 16 | low, num_below};
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
  auto keep = at::ones(metric.sizes(), metric.options().dtype(at::kBool));
  if (num_pruned == 0) return keep;
  const auto values = metric.contiguous();
  const int64_t cols = metric.size(1);
  const float* in = values.const_data_ptr<float>();
  bool* out = keep.data_ptr<bool>();
  for_each_row_block(metric.size(0), cols, [&](int64_t first, int64_t last) {
    RowSelector selector;
    for (int64_t row = first; row < last; ++row) {
      const auto [key, num_below] = selector.threshold(in + row * cols, cols, num_pruned - 1);
      write_mask(selector.keys.data(), cols, key, num_pruned - num_below, out + row * cols);
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
  const auto [key, num_below] = matrix_threshold(in, numel, num_pruned - 1);
  // Ties go in order of index: each range must know how many equal entries come before it.
  std::vector<int64_t> equal_before(static_cast<size_t>(num_ranges(numel)) + 1, 0);
  for_each_range(numel, [&, key = key](int64_t range, int64_t begin, int64_t end) {
    equal_before[static_cast<size_t>(range) + 1] =
        std::count_if(in + begin, in + end, [&](float v) { return order_key(v) == key; });
  });
  for (size_t i = 1; i < equal_before.size(); ++i) equal_before[i] += equal_before[i - 1];
  for_each_range(
      numel, [&, key = key, num_below = num_below](int64_t range, int64_t begin, int64_t end) {
        std::vector<uint32_t> keys(static_cast<size_t>(end - begin));
        std::transform(in + begin, in + end, keys.begin(), order_key);
        const int64_t left = num_pruned - num_below - equal_before[static_cast<size_t>(range)];
        write_mask(keys.data(), end - begin, key, left, out + begin);
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
