#include "compress/owl.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/thread_pool.h"
#include "compress/metric.h"

namespace assay {
namespace {

constexpr int64_t kRange = 1 << 15;  // scores of a task

at::Tensor score_of(const ScoredLinear& linear) {
  require_finite_matrix(linear.weight, "owl: weight");
  require(linear.input_norm.dim() == 1 && linear.input_norm.size(0) == linear.weight.size(1),
          "owl: weight ", linear.weight.sizes(), " needs input_norm [", linear.weight.size(1),
          "], got ", linear.input_norm.sizes());
  const auto score =
      (linear.weight.to(at::kFloat).abs() * linear.input_norm.to(at::kFloat)).contiguous();
  require_finite_matrix(score, "owl: score");
  return score;
}

// The sum over ranges, in order, of what fn(first score, last score + 1) gives.
template <class Fn>
double sum_of_ranges(const at::Tensor& score, const Fn& fn) {
  const float* values = score.const_data_ptr<float>();
  const int64_t count = score.numel(), ranges = (count + kRange - 1) / kRange;
  std::vector<double> partial(static_cast<size_t>(ranges));
  parallel_for(ranges, [&](int64_t i) {
    partial[static_cast<size_t>(i)] =
        fn(values + i * kRange, values + std::min(count, (i + 1) * kRange));
  });
  return std::accumulate(partial.begin(), partial.end(), 0.0);
}

// (D - min D) / (max D - min D) * span, minus the mean: what a block keeps above the others.
std::vector<double> deviations(std::span<const double> percents, double span) {
  require(!percents.empty(), "owl: no blocks");
  for (size_t block = 0; block < percents.size(); ++block) {
    require(std::isfinite(percents[block]), "owl: the outlier ratio of block ", block, " is ",
            percents[block]);
  }
  const auto [low, high] = std::minmax_element(percents.begin(), percents.end());
  std::vector<double> result(percents.size(), 0.0);
  if (*low == *high) return result;
  for (size_t block = 0; block < percents.size(); ++block)
    result[block] = (percents[block] - *low) / (*high - *low) * span;
  const double mean =
      std::accumulate(result.begin(), result.end(), 0.0) / static_cast<double>(result.size());
  for (double& r : result) r -= mean;
  return result;
}

}  // namespace

double outlier_percent(std::span<const ScoredLinear> block, double outlier_multiple) {
  require(!block.empty(), "owl: no linears");
  require(std::isfinite(outlier_multiple) && outlier_multiple > 0,
          "owl: outlier_multiple must be positive, got ", outlier_multiple);
  double sum = 0, count = 0, outliers = 0;
  for (const ScoredLinear& linear : block) {
    const auto score = score_of(linear);
    sum += sum_of_ranges(score, [](const float* first, const float* last) {
      return std::accumulate(first, last, 0.0);
    });
    count += static_cast<double>(score.numel());
  }
  const double bound = outlier_multiple * (sum / count);
  for (const ScoredLinear& linear : block) {  // a second pass, so that one linear's scores are held
    outliers += sum_of_ranges(score_of(linear), [&](const float* first, const float* last) {
      return static_cast<double>(
          std::count_if(first, last, [&](float s) { return static_cast<double>(s) > bound; }));
    });
  }
  return 100 * outliers / count;
}

std::vector<double> owl_sparsities(std::span<const double> outlier_percents,
                                   const OwlConfig& config) {
  require(config.sparsity >= 0 && config.sparsity <= 1, "owl: sparsity must be in [0, 1], got ",
          config.sparsity);
  require(config.lambda >= 0 && config.lambda <= 0.5, "owl: lambda must be in [0, 0.5], got ",
          config.lambda);
  std::vector<double> sparsities = deviations(outlier_percents, 2 * config.lambda);
  for (size_t block = 0; block < sparsities.size(); ++block) {
    double& s = sparsities[block];
    s = config.sparsity - s;
    require(s >= 0 && s <= 1, "owl: block ", block, " would get a sparsity of ", s,
            "; a smaller lambda keeps all in [0, 1]");
  }
  return sparsities;
}

}  // namespace assay
