#include "judge/choice.h"

#include <algorithm>

#include "base/error.h"

namespace assay {

int first_best(std::span<const double> scores) {
  require(!scores.empty(), "first_best: no scores");
  return static_cast<int>(std::ranges::max_element(scores) - scores.begin());
}

std::vector<double> best_shares(std::span<const double> scores) {
  if (scores.empty()) return {};
  const double best = std::ranges::max(scores);
  const auto num_best = static_cast<double>(std::ranges::count(scores, best));
  std::vector<double> shares(scores.size(), 0.0);
  for (size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] == best) shares[i] = 1.0 / num_best;
  }
  return shares;
}

std::vector<double> per_unit(std::span<const double> log_likelihoods,
                             std::span<const int64_t> lengths) {
  require(log_likelihoods.size() == lengths.size(), "per_unit: ", log_likelihoods.size(),
          " scores and ", lengths.size(), " lengths");
  std::vector<double> scores;
  for (size_t i = 0; i < lengths.size(); ++i) {
    require(lengths[i] > 0, "per_unit: option ", i, " has length ", lengths[i]);
    scores.push_back(log_likelihoods[i] / static_cast<double>(lengths[i]));
  }
  return scores;
}

std::vector<double> minus_unconditional(std::span<const double> log_likelihoods,
                                        std::span<const double> unconditional) {
  require(log_likelihoods.size() == unconditional.size(),
          "minus_unconditional: ", log_likelihoods.size(), " scores and ", unconditional.size(),
          " unconditional ones");
  std::vector<double> scores;
  for (size_t i = 0; i < unconditional.size(); ++i) {
    scores.push_back(log_likelihoods[i] - unconditional[i]);
  }
  return scores;
}

}  // namespace assay
