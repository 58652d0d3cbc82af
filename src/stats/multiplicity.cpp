#include "stats/multiplicity.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "base/error.h"

namespace assay {
namespace {

std::vector<size_t> ascending_order(std::span<const double> p) {
  for (const double value : p) {
    require(value >= 0 && value <= 1, "adjusted p: ", value, " is not in [0, 1]");
  }
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  return order;
}

}  // namespace

std::vector<double> holm(std::span<const double> p) {
  const auto order = ascending_order(p);
  std::vector<double> adjusted(p.size());
  double largest = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    const auto remaining = static_cast<double>(order.size() - rank);
    largest = std::max(largest, std::min(1.0, remaining * p[order[rank]]));
    adjusted[order[rank]] = largest;
  }
  return adjusted;
}

std::vector<double> benjamini_hochberg(std::span<const double> p) {
  const auto order = ascending_order(p);
  const auto m = static_cast<double>(order.size());
  std::vector<double> adjusted(p.size());
  double smallest = 1;
  for (size_t rank = order.size(); rank-- > 0;) {
    smallest = std::min(smallest, m / static_cast<double>(rank + 1) * p[order[rank]]);
    adjusted[order[rank]] = smallest;
  }
  return adjusted;
}

}  // namespace assay
