#pragma once
// How dependent the items of a cluster are, and what that costs.

#include <cstdint>
#include <span>
#include <vector>

namespace assay {

struct Dependence {
  int64_t num_clusters = 0;
  double largest_share = 0;  // of all items, of the largest cluster
  double icc = 0;            // intraclass correlation; NaN when undefined
  double design_effect = 1;  // >= 1; NaN when undefined
  double effective_n = 0;    // items / design effect; the number of clusters when that is undefined
};

// values[i] of item i, which lies in cluster cluster[i] of [0, num_clusters); no cluster may be
// empty. ICC is the one-way analysis-of-variance estimate for unequal clusters; it is undefined
// when all clusters have one item (then the design effect is 1) or all values are equal (then the
// design effect is undefined, too). Design effect: 1 + max(icc, 0) (sum n_g^2 / n - 1). Sources:
// Donner, International Statistical Review 1986; Kish 1965.
Dependence dependence(std::span<const double> values, std::span<const int32_t> cluster);

// Sums of `values` by cluster.
std::vector<double> cluster_sums(std::span<const double> values, std::span<const int32_t> cluster);

}  // namespace assay
