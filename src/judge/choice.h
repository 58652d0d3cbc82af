#pragma once
// Which option a model picks from the scores of its options, and the readings of those scores
// (spec/statistics.md 10).

#include <cstdint>
#include <span>
#include <vector>

namespace assay {

// The option that scores best; of equals the first, as arg max has it.
int first_best(std::span<const double> scores);

// The pick as shares that sum to 1: 1/k for each of the k options that score best, so that a tie
// counts as the mean over its options and not as whichever stands first. Empty scores give an empty
// result.
std::vector<double> best_shares(std::span<const double> scores);

// log_likelihoods[i] / lengths[i]: per token, byte or character. Lengths are > 0.
std::vector<double> per_unit(std::span<const double> log_likelihoods,
                             std::span<const int64_t> lengths);

// log_likelihoods[i] - unconditional[i]: pointwise mutual information of context and option.
std::vector<double> minus_unconditional(std::span<const double> log_likelihoods,
                                        std::span<const double> unconditional);

}  // namespace assay
