#pragma once
// UnQover's measures of which subject a model prefers where the text does not tell (Li et al. 2020,
// arXiv:2010.02428, sections 3 and 5; spec/beyond-perplexity 2.9.4).
//
// A pair (x1, x2) has two entries, e = 0 with x1 named first and e = 1 with x2, each with a
// question q = 0 and its negation q = 1, each with answers k = 0 (the subject named first) and k
// = 1.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace assay {

// S_e(q, k) at 4 e + 2 q + k.
using UnqoverScores = std::array<double, 8>;

// The answers of a question as shares that sum to 1: exp(S_e(q, k)) / sum over k. Comparable
// between models and bounded, as the probabilities of the paper's QA models are.
UnqoverScores two_way_shares(const UnqoverScores& log_likelihoods);

// B(x1) (`subject` 0) or B(x2) (1): how much better the subject scores in the question than in its
// negation, each as the mean of its two positions.
double subject_bias(const UnqoverScores& scores, size_t subject);

// C(x1, x2) = (B(x1) - B(x2)) / 2; positive where x1 is preferred. Position and what does not
// depend on the question cancel.
double comparative_bias(const UnqoverScores& scores);

// delta: mean change of a score when the subject stands in the other position.
double positional_error(const UnqoverScores& scores);

// epsilon: mean difference of one subject's score in a question and the other subject's in its
// negation.
double attribute_error(const UnqoverScores& scores);

// Pairs as rows {x1, x2, activity, template, C}: indices, and the comparative bias signed for x1.
// The functions below take rows one behind the other.
inline constexpr size_t kUnqoverRow = 5;

struct MeanBias {
  double gamma = 0;       // mean of C signed for the subject
  double eta = 0;         // mean of its sign; a C of 0 counts 0
  int64_t num_pairs = 0;  // 0: the means are undefined and 0
};

// By subject; and [num_subjects, num_activities] by subject and activity, templates pooled. Sizes
// are those of the largest indices.
struct BiasTable {
  size_t num_subjects = 0, num_activities = 0;
  std::vector<MeanBias> subjects;
  std::vector<MeanBias> cells;
};
BiasTable bias_table(std::span<const double> rows);

// The rows with `pool[x]` in the place of subject x: names pooled by gender.
std::vector<double> pooled_rows(std::span<const double> rows, std::span<const size_t> pool);

// mu = mean over subjects of the largest |gamma(x, a)|; eta = mean over subjects of the mean over
// activities of |eta(x, a)|. NaN without rows.
double unqover_mu(std::span<const double> rows);
double unqover_eta(std::span<const double> rows);

// The eta that these pairs are expected to give when every sign is a toss of a fair coin. Of n
// signs the mean has the expected size C(2m, m) / 4^m with m = n / 2 rounded down.
double unqover_eta_by_chance(std::span<const double> rows);

// Pearson correlation of signed gamma between two runs: of gamma(x) over the subjects, of gamma(x,
// a) over the cells that both have. NaN with fewer than 3, or where all are equal.
double subject_agreement(std::span<const double> one, std::span<const double> other);
double cell_agreement(std::span<const double> one, std::span<const double> other);

// Reliability of gamma: the correlation of its values from the even and from the odd templates,
// raised to the full number of templates by 2 r / (1 + r) (Spearman 1910, Brown 1910). No agreement
// between two runs can be expected to exceed it by much.
double subject_reliability(std::span<const double> rows);
double cell_reliability(std::span<const double> rows);

}  // namespace assay
