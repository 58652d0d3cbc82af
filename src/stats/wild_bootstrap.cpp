#include "stats/wild_bootstrap.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/philox.h"

namespace assay {
namespace {

// What one draw of weights w needs to be evaluated at any mean d: sums over clusters, with s the
// sum of differences and n the size of a cluster.
struct Draw {
  double ws = 0, wn = 0;                // w s, w n
  double wwss = 0, wwsn = 0, wwnn = 0;  // w^2 s^2, w^2 s n, w^2 n^2
  double wsn = 0, wnn = 0;              // w s n, w n^2
};

struct Test {
  std::vector<Draw> draws;
  Draw observed;  // all weights 1
  double num_items = 0;
  double sum_nn = 0;
};

void add(Draw& draw, double w, double s, double n) {
  draw.ws += w * s;
  draw.wn += w * n;
  draw.wwss += w * w * s * s;
  draw.wwsn += w * w * s * n;
  draw.wwnn += w * w * n * n;
  draw.wsn += w * s * n;
  draw.wnn += w * n * n;
}

// Squared t, up to the constant factor G / (G - 1): the residual of cluster g is r = w (s - d n),
// the bootstrap mean m = sum r / N, and t^2 = (sum r)^2 / sum (r - m n)^2. Where all residuals
// vanish around m, infinite.
double squared_t(const Draw& v, double d, const Test& test) {
  const double total = v.ws - d * v.wn;
  const double m = total / test.num_items;
  const double squares = v.wwss - 2 * d * v.wwsn + d * d * v.wwnn;
  const double spread = squares - 2 * m * (v.wsn - d * v.wnn) + m * m * test.sum_nn;
  if (total == 0) return 0;
  if (spread <= 1e-14 * squares) return INFINITY;
  return total * total / spread;
}

double p_value(const Test& test, double d) {
  const double observed = squared_t(test.observed, d, test);
  int64_t as_large = 1;
  for (const Draw& draw : test.draws) {
    if (squared_t(draw, d, test) >= observed * (1 - 1e-12)) ++as_large;
  }
  return static_cast<double>(as_large) / static_cast<double>(test.draws.size() + 1);
}

// From the estimate outwards by doubling, then by bisection to 1e-6 of the standard error.
double confidence_end(const Test& test, double mean, double step, double alpha) {
  double inside = mean;
  double outside = mean + step;
  for (int doubling = 0; p_value(test, outside) > alpha; ++doubling) {
    if (doubling == 30) return std::copysign(INFINITY, step);
    inside = outside;
    outside = mean + (outside - mean) * 2;
  }
  while (std::abs(outside - inside) > 1e-6 * std::abs(step)) {
    const double middle = inside + (outside - inside) / 2;
    (p_value(test, middle) > alpha ? inside : outside) = middle;
  }
  return inside + (outside - inside) / 2;
}

}  // namespace

WildBootstrap wild_cluster_bootstrap(std::span<const double> sums, std::span<const double> sizes,
                                     uint64_t seed, double confidence, int64_t draws) {
  require(sums.size() == sizes.size() && sums.size() >= 2,
          "wild_cluster_bootstrap: needs two clusters or more, got ", sums.size());
  require(std::ranges::all_of(sizes, [](double n) { return n > 0; }),
          "wild_cluster_bootstrap: an empty cluster");
  require(confidence > 0 && confidence < 1 && draws >= 1, "wild_cluster_bootstrap: bad arguments");
  const std::array webb{-std::sqrt(1.5), -1.0, -std::sqrt(0.5),
                        std::sqrt(0.5),  1.0,  std::sqrt(1.5)};
  Test test;
  for (size_t g = 0; g < sums.size(); ++g) {
    add(test.observed, 1, sums[g], sizes[g]);
    test.num_items += sizes[g];
    test.sum_nn += sizes[g] * sizes[g];
  }
  PhiloxStream random(seed, 1);
  test.draws.resize(static_cast<size_t>(draws));
  for (Draw& draw : test.draws) {
    for (size_t g = 0; g < sums.size(); ++g) add(draw, webb[random.below(6)], sums[g], sizes[g]);
  }

  const double mean = test.observed.ws / test.num_items;
  double spread = 0;
  for (size_t g = 0; g < sums.size(); ++g) spread += std::pow(sums[g] - mean * sizes[g], 2);
  const double standard_error = std::sqrt(spread) / test.num_items;
  WildBootstrap result;
  result.p = p_value(test, 0);
  if (standard_error == 0) return result;  // no spread, no interval
  result.interval = {confidence_end(test, mean, -standard_error, 1 - confidence),
                     confidence_end(test, mean, standard_error, 1 - confidence)};
  return result;
}

}  // namespace assay
