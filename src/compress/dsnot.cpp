#include "compress/dsnot.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "compress/metric.h"
#include "compress/row_blocks.h"

namespace assay {
namespace {

void check_moment(const at::Tensor& moment, int64_t in_features, const char* name) {
  require(moment.dim() == 1 && moment.size(0) == in_features, "dsnot: ", name, " must be [",
          in_features, "], got ", moment.sizes());
  require(at::isfinite(moment).all().item<bool>(), "dsnot: ", name,
          " has an entry that is not finite");
}

void check(const at::Tensor& keep, const at::Tensor& weight, const ChannelMoments& moments,
           const DsnotConfig& config) {
  require_finite_matrix(weight, "dsnot: weight");
  require(keep.scalar_type() == at::kBool && keep.sizes() == weight.sizes(), "dsnot: weight ",
          weight.sizes(), " needs a bool mask of its shape, got ", keep.scalar_type(), " ",
          keep.sizes());
  check_moment(moments.norm, weight.size(1), "the input norm");
  check_moment(moments.mean, weight.size(1), "the input mean");
  check_moment(moments.variance, weight.size(1), "the input variance");
  require((moments.norm >= 0).all().item<bool>() && (moments.variance >= 0).all().item<bool>(),
          "dsnot: the input norm or variance has a negative entry");
  require(config.max_cycles >= 0, "dsnot: max_cycles must be >= 0, got ", config.max_cycles);
  require(config.threshold >= 0, "dsnot: threshold must be >= 0, got ", config.threshold);
  require(std::isfinite(config.variance_power) && config.variance_power >= 0,
          "dsnot: variance_power must be >= 0, got ", config.variance_power);
}

int sign(double value) { return (value > 0) - (value < 0); }

// The matrices of a linear, row-major.
struct Matrices {
  at::Tensor contribution;  // D = W * mean, float64
  at::Tensor regrow;        // |D| / variance^gamma, float64
  at::Tensor score;         // |W| * norm, float64 values of the metric's precision
};

Matrices matrices_of(const at::Tensor& weight, const ChannelMoments& moments, double power) {
  const at::Tensor w = as_metric(weight);
  Matrices m;
  m.contribution = (weight.to(at::kDouble) * moments.mean.to(at::kDouble)).contiguous();
  // A channel that never varies divides by zero: infinite, so first in line; candidates have D !=
  // 0.
  m.regrow = (m.contribution.abs() / moments.variance.to(at::kDouble).pow(power)).contiguous();
  m.score = (w.abs() * moments.norm.to(w.scalar_type())).to(at::kDouble).contiguous();
  require_finite_matrix(m.contribution, "dsnot: weight times input mean");
  require_finite_matrix(m.score, "dsnot: score");
  return m;
}

// One row on its way. Index 0 of the lists: D > 0, index 1: D < 0.
class Row {
 public:
  Row(const Matrices& m, int64_t row, int64_t cols, bool* keep, const DsnotConfig& config)
      : d_(m.contribution.const_data_ptr<double>() + row * cols),
        score_(m.score.const_data_ptr<double>() + row * cols),
        cols_(cols),
        keep_(keep),
        config_(config),
        prunable_(keep, keep + cols) {
    const double* regrow = m.regrow.const_data_ptr<double>() + row * cols;
    for (int64_t j = 0; j < cols; ++j) {
      if (!keep[j]) error_ += d_[j];
      if (d_[j] == 0) continue;
      (keep[j] ? prune_ : regrow_)[d_[j] < 0].push_back(j);
    }
    for (auto& list : regrow_) {
      sort_needed(list, [&](int64_t a, int64_t b) {
        return regrow[a] != regrow[b] ? regrow[a] > regrow[b] : a < b;
      });
    }
    for (auto& list : prune_) {
      sort_needed(list, [&](int64_t a, int64_t b) {
        return score_[a] != score_[b] ? score_[a] < score_[b] : a < b;
      });
    }
  }

  double error() const { return error_; }

  // Returns the number of swaps.
  int64_t run() {
    const int initial_sign = sign(error_);
    const bool may_turn = config_.parity_any_sign && !config_.pattern;
    int64_t num_swaps = 0;
    while (num_swaps < config_.max_cycles && std::abs(error_) > config_.threshold) {
      const Swap swap = next_swap();
      if (swap.pruned < 0) break;
      const double after = error_ - d_[swap.regrown] + d_[swap.pruned];
      if (!may_turn && sign(after) != initial_sign) break;
      keep_[swap.regrown] = true;
      keep_[swap.pruned] = prunable_[static_cast<size_t>(swap.pruned)] = false;
      error_ = after;
      ++num_swaps;
    }
    return num_swaps;
  }

 private:
  struct Swap {
    int64_t regrown = -1, pruned = -1;  // -1 = there is none
  };

  // Every swap takes one of each list; groups may pass over any number.
  template <class Before>
  void sort_needed(std::vector<int64_t>& list, const Before& before) const {
    const auto size = static_cast<int64_t>(list.size());
    const int64_t needed = config_.pattern ? size : std::min(size, config_.max_cycles);
    std::partial_sort(list.begin(), list.begin() + needed, list.end(), before);
  }

  // Takes candidates off the lists of the error's present sign.
  Swap next_swap() {
    const size_t same = error_ < 0, other = 1 - same;
    while (next_regrow_[same] < regrow_[same].size()) {
      const int64_t regrown = regrow_[same][next_regrow_[same]++];
      const int64_t pruned = config_.pattern ? lowest_of_group(regrown, other) : next_pruned(other);
      if (pruned >= 0) return {regrown, pruned};
      if (!config_.pattern) break;  // the list of weights to prune is used up
    }
    return {};
  }

  int64_t next_pruned(size_t list) {
    return next_prune_[list] < prune_[list].size() ? prune_[list][next_prune_[list]++] : -1;
  }

  int64_t lowest_of_group(int64_t column, size_t list) const {
    const int64_t first = column / config_.pattern->of * config_.pattern->of,
                  last = std::min(cols_, first + config_.pattern->of);
    int64_t lowest = -1;
    for (int64_t j = first; j < last; ++j) {
      const bool reduces = d_[j] != 0 && (d_[j] < 0) == (list == 1);
      if (!prunable_[static_cast<size_t>(j)] || !(reduces || config_.parity_nm_lowest)) continue;
      if (lowest < 0 || score_[j] < score_[lowest]) lowest = j;
    }
    return lowest;
  }

  const double *d_, *score_;
  int64_t cols_;
  bool* keep_;
  const DsnotConfig& config_;
  std::vector<bool> prunable_;  // kept at the start and still
  std::array<std::vector<int64_t>, 2> regrow_, prune_;
  std::array<size_t, 2> next_regrow_{}, next_prune_{};
  double error_ = 0;
};

}  // namespace

DsnotResult dsnot_swap(const at::Tensor& keep, const at::Tensor& weight,
                       const ChannelMoments& moments, const DsnotConfig& config) {
  check(keep, weight, moments, config);
  const int64_t rows = weight.size(0), cols = weight.size(1);
  const Matrices matrices = matrices_of(weight, moments, config.variance_power);
  DsnotResult result;
  result.keep = keep.clone(at::MemoryFormat::Contiguous);
  result.error_before = at::empty({rows}, at::kDouble);
  result.error_after = at::empty({rows}, at::kDouble);
  bool* out = result.keep.mutable_data_ptr<bool>();
  double *before = result.error_before.mutable_data_ptr<double>(),
         *after = result.error_after.mutable_data_ptr<double>();
  std::vector<int64_t> swaps(static_cast<size_t>(rows));
  for_each_row_block(rows, cols, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      Row row(matrices, r, cols, out + r * cols, config);
      before[r] = row.error();
      swaps[static_cast<size_t>(r)] = row.run();
      after[r] = row.error();
    }
  });
  result.num_swaps = std::accumulate(swaps.begin(), swaps.end(), int64_t{0});
  return result;
}

}  // namespace assay
