#pragma once
// What changed between two runs, described: the flip table and how far the log-likelihoods moved.
// Nothing here decides.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compare/paired.h"

namespace assay {

// Pairs whose item has a right answer by which arms give it; pairs of any item whose prediction
// changed.
struct Flips {
  int64_t both_right = 0;
  int64_t base_only = 0;
  int64_t variant_only = 0;
  int64_t both_wrong = 0;
  int64_t changed_predictions = 0;
};

// Nothing when no pair has a prediction in both arms.
std::optional<Flips> count_flips(const OutcomePairs& pairs, std::span<const AnsweredItem> base,
                                 std::span<const AnsweredItem> variant);

// |variant - base| in nats, over the right answer of items that have one and over all answers of
// the others.
struct LogLikelihoodShift {
  double mean = 0;
  double max = 0;
  bool of_target = false;  // some item has a right answer
};

// Nothing when no pair has log-likelihoods in both arms.
std::optional<LogLikelihoodShift> log_likelihood_shift(const OutcomePairs& pairs,
                                                       std::span<const AnsweredItem> base,
                                                       std::span<const AnsweredItem> variant);

// The largest |variant - base| over all answers of one item; 0 without any.
double largest_shift(const AnsweredItem& base, const AnsweredItem& variant);

// How clearly an arm prefers its first choice: the gap between its two highest log-likelihoods;
// infinite with fewer than two.
double choice_margin(const AnsweredItem& item);

struct FlippedItem {
  size_t base_item = 0;
  size_t variant_item = 0;
  double swing = 0;  // nats by which the variant moved from the base's prediction towards its own
};

// Items whose right became wrong or wrong right (without a right answer: whose prediction changed),
// largest swing first, items of equal swing in their order. `alignment` as from align().
std::vector<FlippedItem> flipped_items(std::span<const AnsweredItem> base,
                                       std::span<const AnsweredItem> variant,
                                       std::span<const size_t> alignment);

}  // namespace assay
