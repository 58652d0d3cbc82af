#include "compress/obs_sweep.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "base/error.h"
#include "base/thread_pool.h"
#include "compress/group_grid.h"
#include "compress/metric.h"
#include "compress/selection.h"
#include "kernels/gemm.h"

namespace assay {
namespace {

// w <- w - e * u, product and difference each rounded, whatever the instruction set.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
void subtract_scaled(float* w, const float* u, float e, int64_t count) {
#pragma omp simd
  for (int64_t k = 0; k < count; ++k) w[k] -= e * u[k];
}

// One block of columns while it is swept.
struct SweepBlock {
  int64_t first = 0, width = 0;
  const float* upper = nullptr;  // [width, width]: U of the block
  const SweepRules* rules = nullptr;
  float max_code = 0;
  int64_t in_features = 0;
};

// One row on its way; pointers to the whole row, errors [width] of the block.
struct SweepRow {
  float* weight = nullptr;
  float* minus_errors = nullptr;
  bool* keep = nullptr;      // null where nothing is pruned
  uint8_t* codes = nullptr;  // null where nothing is rounded
  float *scale = nullptr, *zero = nullptr;
  double squared_errors = 0;
};

// The M - N entries of an N:M group with the smallest w^2 / U_jj^2 go, lower column first.
void prune_group(const SweepBlock& block, const SweepRow& row, int64_t offset) {
  const NmPattern pattern = *block.rules->pattern;
  const int64_t width = std::min(pattern.of, block.width - offset);
  std::array<float, 32> score{};
  for (int64_t k = 0; k < width; ++k) {
    const float w = row.weight[block.first + offset + k];
    const float u = block.upper[(offset + k) * block.width + offset + k];
    score[static_cast<size_t>(k)] = (w * w) / (u * u);
  }
  bool* keep = row.keep + block.first + offset;
  std::fill_n(keep, width, true);
  for (int64_t left = num_pruned_of_group(pattern, width, NmTail::kProportional); left > 0;
       --left) {
    int64_t least = -1;
    for (int64_t k = 0; k < width; ++k) {
      const auto at = static_cast<size_t>(k);
      if (keep[k] && (least < 0 || score[at] < score[static_cast<size_t>(least)])) least = k;
    }
    keep[least] = false;
  }
}

// The grid of the group that column `first + offset` begins, from the row as it is; `start` is the
// block's part of it before the block was swept.
void fit_entered_group(const SweepBlock& block, SweepRow& row, int64_t offset,
                       std::span<const float> start, std::vector<float>& scratch) {
  const auto& group_of = block.rules->group_of_column;
  const int64_t column = block.first + offset;
  const int64_t group = group_of[static_cast<size_t>(column)];
  int64_t end = column + 1;
  while (end < block.in_features && group_of[static_cast<size_t>(end)] == group) ++end;
  scratch.clear();
  for (int64_t k = column; k < end; ++k) {
    const bool inside = k < block.first + block.width;
    // An N:M group decides when the sweep reaches it, so there every weight counts.
    const bool pruned = row.keep != nullptr && !block.rules->pattern && inside && !row.keep[k];
    const bool lazily = block.rules->grid_time == GridTime::kLazily && inside;
    const float w = lazily ? start[static_cast<size_t>(k - block.first)] : row.weight[k];
    scratch.push_back(pruned ? 0.0f : w);
  }
  const GroupGrid grid = fit_group(scratch, *block.rules->quantizer);
  row.scale[group] = grid.scale;
  row.zero[group] = grid.zero;
}

void sweep_row(const SweepBlock& block, SweepRow& row) {
  const SweepRules& rules = *block.rules;
  const bool fits = rules.quantizer && rules.grid_time != GridTime::kBefore;
  std::vector<float> scratch;
  const std::vector<float> start(row.weight + block.first, row.weight + block.first + block.width);
  for (int64_t j = 0; j < block.width; ++j) {
    const int64_t column = block.first + j;
    if (rules.pattern && j % rules.pattern->of == 0) prune_group(block, row, j);
    const float w = row.weight[column];
    float q = row.keep == nullptr || row.keep[column] ? w : 0.0f;
    if (rules.quantizer) {
      const int64_t group = rules.group_of_column[static_cast<size_t>(column)];
      const bool enters =
          column == 0 || rules.group_of_column[static_cast<size_t>(column - 1)] != group;
      if (fits && enters) fit_entered_group(block, row, j, start, scratch);
      const GroupGrid grid{row.scale[group], row.zero[group]};
      const float code = code_of(q, grid, block.max_code);
      row.codes[column] = static_cast<uint8_t>(code);
      q = value_of(code, grid);
    }
    const float* upper = block.upper + j * block.width;
    const float error = (w - q) / upper[j];
    row.weight[column] = q;
    row.minus_errors[j] = -error;
    row.squared_errors += static_cast<double>(error) * static_cast<double>(error);
    subtract_scaled(row.weight + column + 1, upper + j + 1, error, block.width - j - 1);
  }
}

void check(const at::Tensor& weight, const at::Tensor& upper, const SweepRules& rules) {
  require_finite_matrix(weight, "sweep: weight");
  require(weight.scalar_type() == at::kFloat, "sweep: weight must be float32, got ",
          weight.scalar_type());
  const int64_t cols = weight.size(1);
  require(upper.sizes() == at::IntArrayRef({cols, cols}) && upper.scalar_type() == at::kFloat,
          "sweep: weight ", weight.sizes(), " needs a float32 factor [", cols, ", ", cols,
          "], got ", upper.sizes());
  require(rules.block_size > 0, "sweep: block_size must be positive, got ", rules.block_size);
  require(rules.sparsity.has_value() + rules.pattern.has_value() + rules.keep.defined() <= 1,
          "sweep: sparsity, pattern and a given mask exclude each other");
  require(!rules.sparsity || (*rules.sparsity >= 0 && *rules.sparsity <= 1),
          "sweep: sparsity must be in [0, 1]");
  require(!rules.keep.defined() ||
              (rules.keep.sizes() == weight.sizes() && rules.keep.scalar_type() == at::kBool),
          "sweep: a given mask must be bool ", weight.sizes());
  if (!rules.quantizer) return;
  require(static_cast<int64_t>(rules.group_of_column.size()) == cols, "sweep: ", cols,
          " columns need a group each, got ", rules.group_of_column.size());
  require(rules.grid_time != GridTime::kBefore ||
              (rules.scale.defined() && rules.scale.size(0) == weight.size(0) &&
               rules.scale.sizes() == rules.zero.sizes()),
          "sweep: a grid fitted before is missing");
}

// Which weights of the block go where rows share a threshold.
void prune_block_(const at::Tensor& weight, const at::Tensor& upper, int64_t first, int64_t width,
                  const SweepRules& rules, at::Tensor& keep) {
  const double sparsity = *rules.sparsity;
  const auto diagonal = upper.diagonal().narrow(0, first, width);
  const auto score = (weight.narrow(1, first, width).square() / diagonal.square()).contiguous();
  const int64_t rank = count_to_prune(score.numel(), sparsity);
  at::Tensor kept;
  if (rules.exact_count || rank == 0 || rank == score.numel()) {
    kept = keep_largest_of_matrix(score, rank);
  } else {
    kept = keep_above_rank(score, rank);
  }
  keep.narrow(1, first, width).copy_(kept);
}

// W - W' = E U, to float32 rounding of the row's own size.
[[maybe_unused]] void check_identity(const at::Tensor& weight, const SweepResult& result,
                                     const at::Tensor& errors, const at::Tensor& upper) {
  const auto moved = (weight - result.values).to(at::kDouble);
  const auto told = errors.to(at::kDouble).matmul(upper.to(at::kDouble));
  const double difference = (moved - told).abs().max().item<double>();
  const double size = weight.abs().max().item<double>() +
                      errors.abs().max().item<double>() * upper.abs().max().item<double>();
  if (!(difference <= 1e-4 * size)) {
    fail(ErrorKind::kInternal, "sweep: W - W' differs from E U by ", difference, " of ", size);
  }
}

// The state between blocks.
class Sweep {
 public:
  Sweep(const at::Tensor& weight, const at::Tensor& upper, const SweepRules& rules)
      : weight_(weight),
        upper_(upper.contiguous()),
        rules_(rules),
        rows_(weight.size(0)),
        cols_(weight.size(1)),
        squared_errors_(static_cast<size_t>(weight.size(0)), 0.0) {
    result_.values = weight.clone(at::MemoryFormat::Contiguous);
    if (rules.keep.defined()) {
      result_.keep = rules.keep.clone(at::MemoryFormat::Contiguous);
    } else if (rules.sparsity || rules.pattern) {
      result_.keep = at::ones({rows_, cols_}, at::kBool);
    }
    if (!rules.quantizer) return;
    result_.codes = at::empty({rows_, cols_}, at::kByte);
    if (rules.grid_time == GridTime::kBefore) {
      result_.scale = rules.scale.clone(at::MemoryFormat::Contiguous);
      result_.zero = rules.zero.clone(at::MemoryFormat::Contiguous);
    } else {
      const int64_t num_groups = *std::ranges::max_element(rules.group_of_column) + 1;
      result_.scale = at::empty({rows_, num_groups}, at::kFloat);
      result_.zero = at::empty({rows_, num_groups}, at::kFloat);
    }
  }

  void sweep_block(int64_t first, int64_t width) {
    require(!rules_.pattern || first % rules_.pattern->of == 0, "sweep: a group of pattern ",
            rules_.pattern ? to_string(*rules_.pattern) : "", " straddles column ", first,
            ", where a block begins");
    if (rules_.sparsity) {
      prune_block_(result_.values, upper_, first, width, rules_, result_.keep);
    }
    const auto block_upper = upper_.narrow(0, first, width).narrow(1, first, width).contiguous();
    const SweepBlock block{.first = first,
                           .width = width,
                           .upper = block_upper.const_data_ptr<float>(),
                           .rules = &rules_,
                           .max_code = rules_.quantizer ? max_code_of(*rules_.quantizer) : 0.0f,
                           .in_features = cols_};
    auto minus_errors = at::empty({rows_, width}, at::kFloat);
    sweep_rows(block, minus_errors);
    spread(block, minus_errors);
#ifdef ASSAY_DEBUG
    errors_.push_back(minus_errors.neg());
#endif
  }

  SweepResult finish() {
    for (const double squares : squared_errors_) result_.loss += squares / 2;
    require(std::isfinite(result_.loss), "sweep: a weight grew beyond float32");
#ifdef ASSAY_DEBUG
    check_identity(weight_, result_, at::cat(errors_, 1), upper_);
#endif
    return std::move(result_);
  }

 private:
  void sweep_rows(const SweepBlock& block, at::Tensor& minus_errors) {
    const auto begin_of = [](at::Tensor& t) {
      return t.defined() ? t.mutable_data_ptr<float>() : nullptr;
    };
    float *weights = begin_of(result_.values), *errors = begin_of(minus_errors),
          *scale = begin_of(result_.scale), *zero = begin_of(result_.zero);
    bool* keep = result_.keep.defined() ? result_.keep.mutable_data_ptr<bool>() : nullptr;
    uint8_t* codes = result_.codes.defined() ? result_.codes.mutable_data_ptr<uint8_t>() : nullptr;
    const int64_t num_groups = result_.scale.defined() ? result_.scale.size(1) : 0;
    constexpr int64_t kRows = 16;  // of a task
    parallel_for((rows_ + kRows - 1) / kRows, [&](int64_t task) {
      for (int64_t r = task * kRows; r < std::min(rows_, (task + 1) * kRows); ++r) {
        SweepRow row{.weight = weights + r * cols_,
                     .minus_errors = errors + r * block.width,
                     .keep = keep == nullptr ? nullptr : keep + r * cols_,
                     .codes = codes == nullptr ? nullptr : codes + r * cols_,
                     .scale = scale == nullptr ? nullptr : scale + r * num_groups,
                     .zero = zero == nullptr ? nullptr : zero + r * num_groups};
        sweep_row(block, row);
        squared_errors_[static_cast<size_t>(r)] += row.squared_errors;
      }
    });
  }

  // W <- W - E_block U_block for the columns right of the block.
  void spread(const SweepBlock& block, const at::Tensor& minus_errors) {
    const int64_t behind = block.first + block.width, rest = cols_ - behind;
    if (rest == 0) return;
    const auto columns =
        upper_.narrow(0, block.first, block.width).narrow(1, behind, rest).t().contiguous();
    kernels::multiply(kernels::pack_weight(columns.const_data_ptr<float>(), rest, block.width),
                      minus_errors.const_data_ptr<float>(), rows_,
                      result_.values.mutable_data_ptr<float>() + behind, cols_,
                      kernels::Output::kAdd);
  }

  const at::Tensor weight_;
  const at::Tensor upper_;
  const SweepRules& rules_;
  int64_t rows_, cols_;
  SweepResult result_;
  std::vector<double> squared_errors_;  // of each row
#ifdef ASSAY_DEBUG
  std::vector<at::Tensor> errors_;  // of each block
#endif
};

}  // namespace

std::vector<int64_t> sweep_blocks(int64_t in_features, const SweepRules& rules) {
  std::vector<int64_t> firsts;
  const bool by_group = rules.quantizer && rules.grid_time == GridTime::kOnEntry;
  const auto& group_of = rules.group_of_column;
  int64_t first = 0;
  while (first < in_features) {
    firsts.push_back(first);
    int64_t end = std::min(in_features, first + rules.block_size);
    if (by_group && end < in_features) {
      // Back to the start of the group that would be cut, unless it began the block.
      int64_t start = end;
      while (start > first &&
             group_of[static_cast<size_t>(start - 1)] == group_of[static_cast<size_t>(end)]) {
        --start;
      }
      if (start > first) end = start;
    }
    first = end;
  }
  firsts.push_back(in_features);
  return firsts;
}

SweepResult obs_sweep(const at::Tensor& weight, const at::Tensor& upper, const SweepRules& rules) {
  check(weight, upper, rules);
  Sweep sweep(weight, upper, rules);
  const std::vector<int64_t> blocks = sweep_blocks(weight.size(1), rules);
  for (size_t b = 0; b + 1 < blocks.size(); ++b) {
    sweep.sweep_block(blocks[b], blocks[b + 1] - blocks[b]);
  }
  return sweep.finish();
}

}  // namespace assay
