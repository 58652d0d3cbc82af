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

// The reference's walk along one row, "past_end". Its two lists hold every weight that it may come
// to: to regrow, pruned weights with D < 0 by falling rank, then all kept ones, then those with D >
// 0 by rising rank; to prune, kept weights with D < 0 by rising score, then the lowest score once
// for each kept weight with D = 0, then those with D > 0 by falling score. It takes from the end
// that the error's sign asks for and sees no end of the wanted sign. A row that has stopped still
// walks on while others swap, and undoes what it passes.
class PastEndRow {
 public:
  PastEndRow(const Matrices& m, int64_t row, int64_t cols, const bool* keep,
             const DsnotConfig& config)
      : d_(m.contribution.const_data_ptr<double>() + row * cols), config_(config) {
    const double* rank = m.regrow.const_data_ptr<double>() + row * cols;
    const double* score = m.score.const_data_ptr<double>() + row * cols;
    std::vector<double> signed_rank(static_cast<size_t>(cols));
    std::vector<int64_t> kept;
    for (int64_t j = 0; j < cols; ++j) {
      if (keep[j]) {
        kept.push_back(j);
      } else if (d_[j] != 0) {
        signed_rank[static_cast<size_t>(j)] = sign(d_[j]) * rank[j];
        error_ += d_[j];
      }
    }
    initial_sign_ = sign(error_);
    regrow_.resize(static_cast<size_t>(cols));
    std::iota(regrow_.begin(), regrow_.end(), 0);
    std::ranges::stable_sort(regrow_, {},
                             [&](int64_t j) { return signed_rank[static_cast<size_t>(j)]; });
    std::ranges::stable_sort(kept, {}, [&](int64_t j) { return score[j]; });
    std::vector<int64_t> positive;
    for (const int64_t j : kept) {
      if (d_[j] < 0) prune_.push_back(j);
      if (d_[j] > 0) positive.push_back(j);
    }
    prune_.resize(kept.size() - positive.size(), kept.empty() ? 0 : kept.front());
    prune_.insert(prune_.end(), positive.rbegin(), positive.rend());
  }

  double error() const { return error_; }

  // Walks `cycles` steps and writes the row's mask unless there is none; returns how many swapped.
  int64_t run(int64_t cycles, bool* keep) {
    int64_t num_swaps = 0;
    size_t lows = 0, highs = 0, prune_lows = 0, prune_highs = 0;
    for (int64_t cycle = 0; cycle < cycles; ++cycle) {
      if (lows + highs >= regrow_.size() || prune_lows + prune_highs >= prune_.size()) break;
      const int64_t regrown = error_ > 0 ? regrow_[regrow_.size() - ++highs] : regrow_[lows++];
      const int64_t pruned =
          error_ < 0 ? prune_[prune_.size() - ++prune_highs] : prune_[prune_lows++];
      const double after = error_ + d_[pruned] - d_[regrown];
      swaps_ = swaps_ && std::abs(error_) > config_.threshold &&
               (config_.parity_any_sign || sign(after) == initial_sign_);
      if (keep != nullptr) keep[pruned] = !swaps_, keep[regrown] = swaps_;
      if (!swaps_) continue;
      error_ = after;
      ++num_swaps;
    }
    return num_swaps;
  }

 private:
  const double* d_;
  const DsnotConfig& config_;
  std::vector<int64_t> regrow_, prune_;
  double error_ = 0;
  int initial_sign_ = 0;
  bool swaps_ = true;
};

struct Outcome {
  double error_before = 0, error_after = 0;
  int64_t num_swaps = 0;
};

// What `run` says of each row of a linear, rows in parallel.
template <class Run>
std::vector<Outcome> run_rows(int64_t rows, int64_t cols, const Run& run) {
  std::vector<Outcome> outcomes(static_cast<size_t>(rows));
  for_each_row_block(rows, cols, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) outcomes[static_cast<size_t>(r)] = run(r);
  });
  return outcomes;
}

std::vector<Outcome> swap_rows(const Matrices& matrices, int64_t rows, int64_t cols,
                               const DsnotConfig& config, bool* keep) {
  return run_rows(rows, cols, [&](int64_t r) {
    Row row(matrices, r, cols, keep + r * cols, config);
    Outcome outcome{.error_before = row.error()};
    outcome.num_swaps = row.run();
    outcome.error_after = row.error();
    return outcome;
  });
}

// The rows walk until a step behind the last swap of any of them.
std::vector<Outcome> swap_past_end(const Matrices& matrices, int64_t rows, int64_t cols,
                                   const DsnotConfig& config, bool* keep) {
  const auto walk = [&](int64_t cycles, bool writes) {
    return run_rows(rows, cols, [&](int64_t r) {
      PastEndRow row(matrices, r, cols, keep + r * cols, config);
      Outcome outcome{.error_before = row.error()};
      outcome.num_swaps = row.run(cycles, writes ? keep + r * cols : nullptr);
      outcome.error_after = row.error();
      return outcome;
    });
  };
  int64_t most = 0;
  for (const Outcome& outcome : walk(config.max_cycles, false))
    most = std::max(most, outcome.num_swaps);
  return walk(std::min(config.max_cycles, most + 1), true);
}

}  // namespace

DsnotResult dsnot_swap(const at::Tensor& keep, const at::Tensor& weight,
                       const ChannelMoments& moments, const DsnotConfig& config) {
  check(keep, weight, moments, config);
  const int64_t rows = weight.size(0), cols = weight.size(1);
  const Matrices matrices = matrices_of(weight, moments, config.variance_power);
  DsnotResult result;
  result.keep = keep.clone(at::MemoryFormat::Contiguous);
  bool* out = result.keep.mutable_data_ptr<bool>();
  const bool past_end = config.parity_past_end && !config.pattern;
  const auto outcomes = (past_end ? swap_past_end : swap_rows)(matrices, rows, cols, config, out);
  result.error_before = at::empty({rows}, at::kDouble);
  result.error_after = at::empty({rows}, at::kDouble);
  for (int64_t r = 0; r < rows; ++r) {
    const Outcome& outcome = outcomes[static_cast<size_t>(r)];
    result.error_before.mutable_data_ptr<double>()[r] = outcome.error_before;
    result.error_after.mutable_data_ptr<double>()[r] = outcome.error_after;
    result.num_swaps += outcome.num_swaps;
  }
  return result;
}

}  // namespace assay
