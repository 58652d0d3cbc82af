#include "compress/obs_sweep.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "base/error.h"
#include "base/thread_pool.h"
#include "compress/metric.h"
#include "compress/selection.h"
#include "compress/sweep_tile.h"
#include "kernels/gemm.h"

namespace assay {
namespace {

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

// Blocks that spread their errors together: one product with all their columns is worth several
// with fewer, for each reads and writes the whole rest of the matrix.
constexpr int64_t kSpan = 512;

// The index into `blocks` of the column where the span that begins with block `begin` ends: a group
// whose grid is fitted inside the span ends in it, for the columns behind are not up to date.
size_t span_end(std::span<const int64_t> blocks, size_t begin, const SweepRules& rules) {
  const bool fits = rules.quantizer && rules.grid_time != GridTime::kBefore;
  const auto group_at = [&](int64_t column) {
    return rules.group_of_column[static_cast<size_t>(column)];
  };
  const auto may_end = [&](int64_t column) {
    if (!fits || column == blocks.back()) return true;
    const int64_t group = group_at(column);
    return group_at(column - 1) != group || group_at(blocks[begin]) == group;
  };
  size_t end = begin + 1;
  while (end + 1 < blocks.size() &&
         (blocks[end] - blocks[begin] < kSpan || !may_end(blocks[end]))) {
    ++end;
  }
  return end;
}

// The state between spans.
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

  // The blocks between these columns; the columns behind the last take all their errors at once.
  void sweep_span(std::span<const int64_t> blocks) {
    const int64_t first = blocks.front(), end = blocks.back();
    const at::Tensor errors = at::empty({rows_, end - first}, at::kFloat);
    for (size_t b = 0; b + 1 < blocks.size(); ++b) {
      const int64_t begin = blocks[b], width = blocks[b + 1] - begin;
      const at::Tensor errors_of_block = errors.narrow(1, begin - first, width);
      sweep_block(begin, errors_of_block);
      spread(errors_of_block, begin, begin + width, end);
    }
    spread(errors, first, end, cols_);
#ifdef ASSAY_DEBUG
    errors_.push_back(errors);
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
  // Prunes and rounds the block; `errors` [rows, width] becomes its own.
  void sweep_block(int64_t first, const at::Tensor& errors) {
    const int64_t width = errors.size(1);
    require(!rules_.pattern || first % rules_.pattern->of == 0, "sweep: a group of pattern ",
            rules_.pattern ? to_string(*rules_.pattern) : "", " straddles column ", first,
            ", where a block begins");
    if (rules_.sparsity) {
      prune_block_(result_.values, upper_, first, width, rules_, result_.keep);
    }
    const auto lower = upper_.narrow(0, first, width).narrow(1, first, width).t().contiguous();
    const SweepBlock block{.first = first,
                           .width = width,
                           .lower = lower.const_data_ptr<float>(),
                           .rules = &rules_,
                           .in_features = cols_};
    const SweepRows all = all_rows(errors);
    parallel_for((rows_ + kTileRows - 1) / kTileRows,
                 [&](int64_t task) { sweep_tile(block, some_rows(block, all, task * kTileRows)); });
  }

  SweepRows all_rows(const at::Tensor& errors) {
    const auto begin_of = [](at::Tensor& t) {
      return t.defined() ? t.mutable_data_ptr<float>() : nullptr;
    };
    return {.num_rows = rows_,
            .weight = begin_of(result_.values),
            .keep = result_.keep.defined() ? result_.keep.mutable_data_ptr<bool>() : nullptr,
            .codes = result_.codes.defined() ? result_.codes.mutable_data_ptr<uint8_t>() : nullptr,
            .scale = begin_of(result_.scale),
            .zero = begin_of(result_.zero),
            .num_groups = result_.scale.defined() ? result_.scale.size(1) : 0,
            .errors = errors.mutable_data_ptr<float>(),
            .errors_stride = errors.stride(0),
            .squared_errors = squared_errors_.data()};
  }

  // A tile of them, from row `first`.
  static SweepRows some_rows(const SweepBlock& block, const SweepRows& all, int64_t first) {
    const auto from = [](auto* begin, int64_t offset) {
      return begin == nullptr ? nullptr : begin + offset;
    };
    return {.num_rows = std::min(kTileRows, all.num_rows - first),
            .weight = from(all.weight, first * block.in_features),
            .keep = from(all.keep, first * block.in_features),
            .codes = from(all.codes, first * block.in_features),
            .scale = from(all.scale, first * all.num_groups),
            .zero = from(all.zero, first * all.num_groups),
            .num_groups = all.num_groups,
            .errors = all.errors + first * all.errors_stride,
            .errors_stride = all.errors_stride,
            .squared_errors = from(all.squared_errors, first)};
  }

  // W <- W - E U for columns [behind, end), E of columns [first, behind).
  void spread(const at::Tensor& errors, int64_t first, int64_t behind, int64_t end) {
    const int64_t depth = behind - first, width = end - behind;
    if (width == 0) return;
    const auto packed = kernels::pack_transposed(
        upper_.const_data_ptr<float>() + first * cols_ + behind, cols_, width, depth);
    kernels::multiply(packed, errors.const_data_ptr<float>(), errors.stride(0), rows_,
                      result_.values.mutable_data_ptr<float>() + behind, cols_,
                      kernels::Output::kSubtract);
  }

  const at::Tensor weight_;
  const at::Tensor upper_;
  const SweepRules& rules_;
  int64_t rows_, cols_;
  SweepResult result_;
  std::vector<double> squared_errors_;  // of each row
#ifdef ASSAY_DEBUG
  std::vector<at::Tensor> errors_;  // of each span
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
  for (size_t b = 0; b + 1 < blocks.size();) {
    const size_t end = span_end(blocks, b, rules);
    sweep.sweep_span(std::span(blocks).subspan(b, end - b + 1));
    b = end;
  }
  return sweep.finish();
}

}  // namespace assay
