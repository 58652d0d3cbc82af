#pragma once
// Two yes/no answers to each of n independent items. Both functions ignore clusters: with clustered
// items they describe and do not decide (docs/comparison.md).

#include <cstdint>

#include "stats/interval.h"

namespace assay {

// Exact McNemar test, two-sided: 2 P(X <= min(b, c)) for X ~ Binomial(b + c, 1/2), at most 1; 1
// without discordant pairs. b and c count the pairs where only the first / only the second answer
// is yes. Source: McNemar, Psychometrika 1947; exact form as R's exact2x2 and statsmodels'
// mcnemar(exact=True).
double mcnemar_exact_p(int64_t only_first, int64_t only_second);

// Score interval of the difference p_second - p_first = (c - b) / n: all differences that the score
// test with the restricted maximum likelihood estimate does not reject. Source: Tango, Statistics
// in Medicine 1998. Error(kBadInput) unless b, c >= 0 and b + c <= n, n >= 1.
Interval tango_interval(int64_t only_first, int64_t only_second, int64_t num_pairs,
                        double confidence = kConfidence);

}  // namespace assay
