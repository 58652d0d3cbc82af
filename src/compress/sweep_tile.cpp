#include "compress/sweep_tile.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "base/every_isa.h"
#include "compress/group_grid.h"
#include "compress/selection.h"

namespace assay {
namespace {

template <class T>
using Lanes = std::array<T, kTileRows>;  // one of each row

// Column j of values [width, kTileRows].
template <class Vector>
auto* column(Vector& values, int64_t j) {
  return values.data() + j * kTileRows;
}

// w^2 / U_jj^2
ASSAY_EVERY_ISA void score_column(const float* w, float diagonal, float* score) {
#pragma omp simd
  for (int64_t l = 0; l < kTileRows; ++l) score[l] = (w[l] * w[l]) / (diagonal * diagonal);
}

// Where a weight stays and its score is below the least so far, it becomes the least.
ASSAY_EVERY_ISA void keep_least(const float* score, const int32_t* kept, int32_t at, float* least,
                                int32_t* least_at) {
#pragma omp simd
  for (int64_t l = 0; l < kTileRows; ++l) {
    const bool better = kept[l] != 0 && (least_at[l] < 0 || score[l] < least[l]);
    least[l] = better ? score[l] : least[l];
    least_at[l] = better ? at : least_at[l];
  }
}

ASSAY_EVERY_ISA void round_column(const float* w, const float* scale, const float* zero,
                                  float max_code, float* code, float* value) {
#pragma omp simd
  for (int64_t l = 0; l < kTileRows; ++l) {
    const GroupGrid grid{scale[l], zero[l]};
    code[l] = code_of(w[l], grid, max_code);
    value[l] = value_of(code[l], grid);
  }
}

ASSAY_EVERY_ISA void errors_of_column(const float* w, const float* q, float diagonal, float* error,
                                      double* squared) {
#pragma omp simd
  for (int64_t l = 0; l < kTileRows; ++l) {
    error[l] = (w[l] - q[l]) / diagonal;
    squared[l] += static_cast<double>(error[l]) * static_cast<double>(error[l]);
  }
}

// Column by column, a column being one value of each row, so that all loops run over rows. A column
// takes the errors of those left of it when it is looked at, in their order.
class Tile {
 public:
  Tile(const SweepBlock& block, const SweepRows& rows)
      : block_(block), rules_(*block.rules), rows_(rows) {
    const auto count = static_cast<size_t>(block.width * kTileRows);
    weights_.assign(count, 0.0f);
    errors_.assign(count, 0.0f);
    applied_.assign(static_cast<size_t>(block.width), 0);
    read_rows(rows.weight + block.first, weights_);
    if (rules_.quantizer) codes_.assign(count, 0.0f);
    if (rules_.quantizer && rules_.grid_time == GridTime::kLazily) start_ = weights_;
    if (rows.keep == nullptr) return;
    kept_.assign(count, 1);
    read_rows(rows.keep + block.first, kept_);
  }

  void sweep() {
    for (int64_t j = 0; j < block_.width; ++j) {
      if (rules_.pattern && j % rules_.pattern->of == 0) prune_group(j);
      bring_up_to_date(j, j);
      settle(j);
    }
  }

  void store() const {
    const int64_t stride = block_.in_features;
    write_rows(weights_, rows_.weight + block_.first, stride);
    write_rows(errors_, rows_.errors, rows_.errors_stride);
    if (rules_.pattern) write_rows(kept_, rows_.keep + block_.first, stride);
    if (rules_.quantizer) write_rows(codes_, rows_.codes + block_.first, stride);
    for (int64_t r = 0; r < rows_.num_rows; ++r)
      rows_.squared_errors[r] += squared_errors_[static_cast<size_t>(r)];
  }

 private:
  // Between rows of a matrix and columns of the tile.
  template <class From, class To>
  void read_rows(const From* from, std::vector<To>& columns) const {
    for (int64_t r = 0; r < rows_.num_rows; ++r) {
      const From* row = from + r * block_.in_features;
      To* to = columns.data() + r;
      for (int64_t j = 0; j < block_.width; ++j) to[j * kTileRows] = static_cast<To>(row[j]);
    }
  }
  template <class From, class To>
  void write_rows(const std::vector<From>& columns, To* to, int64_t stride) const {
    for (int64_t r = 0; r < rows_.num_rows; ++r) {
      const From* from = columns.data() + r;
      To* row = to + r * stride;
      for (int64_t j = 0; j < block_.width; ++j) row[j] = static_cast<To>(from[j * kTileRows]);
    }
  }

  float diagonal(int64_t j) const { return block_.lower[j * block_.width + j]; }

  // Column j behind the errors of the block's columns before `end`.
  void bring_up_to_date(int64_t j, int64_t end) {
    int64_t& applied = applied_[static_cast<size_t>(j)];
    kernels::subtract_products(column(weights_, j), column(errors_, applied),
                               block_.lower + j * block_.width + applied, end - applied);
    applied = end;
  }

  // The M - N entries of the N:M group at column j with the smallest scores go, lower column first.
  void prune_group(int64_t j) {
    const NmPattern pattern = *rules_.pattern;
    const int64_t width = std::min(pattern.of, block_.width - j);
    for (int64_t k = 0; k < width; ++k) {
      bring_up_to_date(j + k, j);
      score_column(column(weights_, j + k), diagonal(j + k),
                   scores_[static_cast<size_t>(k)].data());
      std::fill_n(column(kept_, j + k), kTileRows, 1);
    }
    for (int64_t left = num_pruned_of_group(pattern, width, NmTail::kProportional); left > 0;
         --left) {
      Lanes<float> least{};
      Lanes<int32_t> least_at;
      least_at.fill(-1);
      for (int64_t k = 0; k < width; ++k) {
        keep_least(scores_[static_cast<size_t>(k)].data(), column(kept_, j + k),
                   static_cast<int32_t>(k), least.data(), least_at.data());
      }
      for (int64_t l = 0; l < kTileRows; ++l) {
        column(kept_, j + least_at[static_cast<size_t>(l)])[l] = 0;
      }
    }
  }

  // Prunes and rounds column j and takes down its error.
  void settle(int64_t j) {
    float* w = column(weights_, j);
    Lanes<float> q;
    std::copy_n(w, kTileRows, q.data());
    if (rows_.keep != nullptr) {
      const int32_t* kept = column(kept_, j);
      for (size_t l = 0; l < q.size(); ++l) q[l] = kept[l] != 0 ? q[l] : 0.0f;
    }
    if (rules_.quantizer) round(j, q);
    errors_of_column(w, q.data(), diagonal(j), column(errors_, j), squared_errors_.data());
    std::copy_n(q.data(), kTileRows, w);
  }

  void round(int64_t j, Lanes<float>& q) {
    const int64_t at = block_.first + j, group = group_of(at);
    const bool enters = at == 0 || group_of(at - 1) != group;
    if (enters && rules_.grid_time != GridTime::kBefore) fit_group_at(j);
    if (enters || j == 0) load_grid(group);
    round_column(q.data(), scale_.data(), zero_.data(), max_code_of(*rules_.quantizer),
                 column(codes_, j), q.data());
  }

  int64_t group_of(int64_t at) const { return rules_.group_of_column[static_cast<size_t>(at)]; }

  void load_grid(int64_t group) {
    for (int64_t r = 0; r < rows_.num_rows; ++r) {
      scale_[static_cast<size_t>(r)] = rows_.scale[r * rows_.num_groups + group];
      zero_[static_cast<size_t>(r)] = rows_.zero[r * rows_.num_groups + group];
    }
  }

  // The grids of the group that column j begins.
  void fit_group_at(int64_t j) {
    const int64_t first = block_.first + j, group = group_of(first);
    int64_t end = first + 1;
    while (end < block_.in_features && group_of(end) == group) ++end;
    const int64_t inside = std::min(end - block_.first, block_.width);
    const bool lazily = rules_.grid_time == GridTime::kLazily;
    if (!lazily) {
      for (int64_t k = j; k < inside; ++k) bring_up_to_date(k, j);
    }
    // An N:M group decides when the sweep reaches it, so there every weight counts.
    const bool leaves_out = rows_.keep != nullptr && !rules_.pattern;
    const auto& weights = lazily ? start_ : weights_;
    std::vector<float> values(static_cast<size_t>(end - first));
    for (int64_t r = 0; r < rows_.num_rows; ++r) {
      for (int64_t k = j; k < inside; ++k) {
        const bool pruned = leaves_out && column(kept_, k)[r] == 0;
        values[static_cast<size_t>(k - j)] = pruned ? 0.0f : column(weights, k)[r];
      }
      const float* row = rows_.weight + r * block_.in_features;
      std::copy(row + block_.first + inside, row + end, values.begin() + (inside - j));
      const GroupGrid grid = fit_group(values, *rules_.quantizer);
      rows_.scale[r * rows_.num_groups + group] = grid.scale;
      rows_.zero[r * rows_.num_groups + group] = grid.zero;
    }
  }

  const SweepBlock& block_;
  const SweepRules& rules_;
  const SweepRows& rows_;
  // [width, kTileRows]; rows that are not there are zeros.
  std::vector<float> weights_, errors_, codes_;
  std::vector<float> start_;      // the weights before the block, for kLazily
  std::vector<int32_t> kept_;     // 0 or 1
  std::vector<int64_t> applied_;  // of each column: how many columns' errors it has taken
  Lanes<float> scale_ = ones(), zero_{};
  Lanes<double> squared_errors_{};
  std::array<Lanes<float>, 32> scores_{};  // of the columns of an N:M group

  static Lanes<float> ones() {
    Lanes<float> lanes;
    lanes.fill(1.0f);
    return lanes;
  }
};

}  // namespace

void sweep_tile(const SweepBlock& block, const SweepRows& rows) {
  Tile tile(block, rows);
  tile.sweep();
  tile.store();
}

}  // namespace assay
