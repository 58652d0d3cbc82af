#include "compress/gptq.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "compress/metric.h"

namespace assay {
namespace {

// The columns of a matrix in another order; the matrix itself where that is its own.
at::Tensor columns_in_order(const at::Tensor& matrix, const std::vector<int64_t>& order) {
  if (std::ranges::is_sorted(order)) return matrix;
  return matrix.index_select(1, at::tensor(order, at::kLong));
}

std::vector<int64_t> inverse_of(const std::vector<int64_t>& order) {
  std::vector<int64_t> inverse(order.size());
  for (size_t k = 0; k < order.size(); ++k) {
    inverse[static_cast<size_t>(order[k])] = static_cast<int64_t>(k);
  }
  return inverse;
}

// Columns of [first, last) by falling diagonal, the lower first among equals.
void sort_columns(std::vector<int64_t>& columns, const float* diagonal, int64_t first,
                  int64_t last) {
  std::stable_sort(columns.begin() + first, columns.begin() + last,
                   [&](int64_t a, int64_t b) { return diagonal[a] > diagonal[b]; });
}

}  // namespace

ColumnOrder column_order_of(const GptqConfig& config) {
  if (config.desc_act) return ColumnOrder::kActivation;
  return config.act_group_aware ? ColumnOrder::kGroupAware : ColumnOrder::kGiven;
}

std::vector<int64_t> column_order(const at::Tensor& diagonal, ColumnOrder order,
                                  int64_t group_size) {
  require(diagonal.dim() == 1 && diagonal.scalar_type() == at::kFloat,
          "column order: the diagonal must be float32 [in], got ", diagonal.sizes());
  const int64_t cols = diagonal.size(0);
  const auto in_memory = diagonal.contiguous();
  const float* values = in_memory.const_data_ptr<float>();
  std::vector<int64_t> columns(static_cast<size_t>(cols));
  std::iota(columns.begin(), columns.end(), 0);
  if (order == ColumnOrder::kGiven) return columns;
  if (order == ColumnOrder::kActivation || group_size == -1) {
    sort_columns(columns, values, 0, cols);
    return columns;
  }
  std::vector<int64_t> starts;
  for (int64_t first = 0; first < cols; first += group_size) {
    sort_columns(columns, values, first, std::min(cols, first + group_size));
    starts.push_back(first);
  }
  // After sorting the first column of a group has its largest diagonal.
  std::stable_sort(starts.begin(), starts.end(), [&](int64_t a, int64_t b) {
    return values[columns[static_cast<size_t>(a)]] > values[columns[static_cast<size_t>(b)]];
  });
  std::vector<int64_t> by_group;
  for (const int64_t first : starts) {
    by_group.insert(by_group.end(), columns.begin() + first,
                    columns.begin() + std::min(cols, first + group_size));
  }
  return by_group;
}

GptqResult gptq(const at::Tensor& weight, const InverseFactor& factor,
                const std::vector<int64_t>& order, const GptqConfig& config,
                const at::Tensor& keep) {
  require_finite_matrix(weight, "gptq: weight");
  const int64_t cols = weight.size(1);
  require(static_cast<int64_t>(order.size()) == cols, "gptq: ", order.size(), " columns in order, ",
          cols, " in the weight");
  const bool whole_rows = config.group_size == -1 || config.group_size >= cols;
  SweepRules rules;
  rules.block_size = config.block_size;
  rules.quantizer = config;
  const auto groups = consecutive_groups(cols, config.group_size);
  // With a grid fitted on the way, act-order forms its groups in the order of the sweep; else a
  // column stays in the group where it lies.
  const bool groups_of_sweep = config.desc_act && !config.static_groups;
  for (size_t k = 0; k < order.size(); ++k) {
    rules.group_of_column.push_back(groups[groups_of_sweep ? k : static_cast<size_t>(order[k])]);
  }
  if (whole_rows || config.static_groups) {
    const QuantGrid grid = fit_grid(weight, config);
    rules.grid_time = GridTime::kBefore;
    rules.scale = grid.scale;
    rules.zero = grid.zero;
  } else {
    rules.grid_time = config.parity_lazy_groups ? GridTime::kLazily : GridTime::kOnEntry;
  }
  if (keep.defined()) rules.keep = columns_in_order(keep, order);
  // `factor.dead` is in the order of the sweep, as its factor is.
  auto in_order = columns_in_order(weight, order);
  if (factor.dead.any().item<bool>()) in_order = in_order.masked_fill(factor.dead, 0.0);
  SweepResult swept = obs_sweep(in_order, factor.upper, rules);

  const std::vector<int64_t> back = inverse_of(order);
  GptqResult result{.values = columns_in_order(swept.values, back),
                    .codes = columns_in_order(swept.codes, back),
                    .scale = swept.scale,
                    .zero = swept.zero,
                    .group_of_column = {},
                    .loss = swept.loss};
  for (const int64_t k : back) {
    result.group_of_column.push_back(rules.group_of_column[static_cast<size_t>(k)]);
  }
  return result;
}

}  // namespace assay
