#include "stats/sign_flip.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <vector>

#include "base/error.h"
#include "base/philox.h"

namespace assay {
namespace {

// Signed sums of a sign vector: of the differences, and of the sizes.
struct Signed {
  double sums = 0;
  double sizes = 0;
};

// Eight clusters at a time: the signed sums under each of the 256 patterns of their signs (bit set
// = minus).
using Table = std::array<Signed, 256>;

std::vector<Table> tables_of(std::span<const double> sums, std::span<const double> sizes) {
  std::vector<Table> tables((sums.size() + 7) / 8);
  for (size_t t = 0; t < tables.size(); ++t) {
    const size_t begin = 8 * t;
    const size_t count = std::min<size_t>(8, sums.size() - begin);
    for (size_t pattern = 0; pattern < 256; ++pattern) {
      for (size_t bit = 0; bit < count; ++bit) {
        const double sign = ((pattern >> bit) & 1) != 0 ? -1 : 1;
        tables[t][pattern].sums += sign * sums[begin + bit];
        tables[t][pattern].sizes += sign * sizes[begin + bit];
      }
    }
  }
  return tables;
}

std::vector<Signed> all_vectors(const std::vector<Table>& tables, size_t num_clusters) {
  std::vector<Signed> result;
  const uint32_t count = uint32_t{1}
                         << (num_clusters - 1);  // a vector and its mirror image say the same
  for (uint32_t pattern = 0; pattern < count; ++pattern) {
    Signed value;
    for (size_t t = 0; t < tables.size(); ++t) {
      const Signed& part = tables[t][(pattern >> (8 * t)) & 255];
      value.sums += part.sums;
      value.sizes += part.sizes;
    }
    result.push_back(value);
  }
  return result;  // the first one is the identity
}

std::vector<Signed> drawn_vectors(const std::vector<Table>& tables, const Signed& identity,
                                  uint64_t seed, int64_t draws) {
  std::vector<Signed> result{identity};
  result.reserve(static_cast<size_t>(draws) + 1);
  PhiloxStream random(seed, 0);
  for (int64_t draw = 0; draw < draws; ++draw) {
    Signed value;
    uint32_t word = 0;
    for (size_t t = 0; t < tables.size(); ++t) {
      word = t % 4 == 0 ? random.next_uint32() : word >> 8;
      const Signed& part = tables[t][word & 255];
      value.sums += part.sums;
      value.sizes += part.sizes;
    }
    result.push_back(value);
  }
  return result;
}

}  // namespace

SignFlip cluster_sign_flip(std::span<const double> sums, std::span<const double> sizes,
                           uint64_t seed, double confidence, int64_t draws) {
  require(!sums.empty() && sums.size() == sizes.size(), "cluster_sign_flip: ", sums.size(),
          " sums, ", sizes.size(), " sizes");
  require(std::ranges::all_of(sizes, [](double n) { return n > 0; }),
          "cluster_sign_flip: an empty cluster");
  require(std::ranges::all_of(sums, [](double s) { return std::isfinite(s); }),
          "cluster_sign_flip: a sum is not finite");
  require(confidence > 0 && confidence < 1 && draws >= 1,
          "cluster_sign_flip: bad confidence or draws");

  Signed observed;
  double magnitude = 0;
  for (size_t g = 0; g < sums.size(); ++g) {
    observed.sums += sums[g];
    observed.sizes += sizes[g];
    magnitude += std::abs(sums[g]);
  }
  SignFlip result;
  result.exact = sums.size() <= kMaxEnumerated;
  const auto tables = tables_of(sums, sizes);
  const auto vectors = result.exact ? all_vectors(tables, sums.size())
                                    : drawn_vectors(tables, observed, seed, draws);
  result.num_vectors = static_cast<int64_t>(vectors.size());

  // Sums of the same numbers in another order differ in their last bits; what differs by no more is
  // a tie.
  const double tie = 1e-12 * magnitude;
  int64_t as_large = 0;
  std::vector<double> lows;
  std::vector<double> highs;
  lows.reserve(vectors.size());
  highs.reserve(vectors.size());
  for (const Signed& v : vectors) {
    if (std::abs(v.sums) >= std::abs(observed.sums) - tie) ++as_large;
    // |v.sums - d v.sizes| >= |observed.sums - d observed.sizes| holds for d between these two:
    const double kept = observed.sizes - v.sizes;
    const double flipped = observed.sizes + v.sizes;
    if (kept <= 0 || flipped <= 0) {  // the identity or its mirror image: as large at every d
      lows.push_back(-INFINITY);
      highs.push_back(INFINITY);
      continue;
    }
    const double one = (observed.sums - v.sums) / kept;
    const double other = (observed.sums + v.sums) / flipped;
    lows.push_back(std::min(one, other));
    highs.push_back(std::max(one, other));
  }
  const auto count = static_cast<double>(vectors.size());
  result.p = static_cast<double>(as_large) / count;
  if (static_cast<int64_t>(sums.size()) < kMinClustersToDecide) return result;

  // d is rejected when the share of vectors that reach it is at most 1 - confidence.
  const auto rank = static_cast<std::ptrdiff_t>(std::floor((1 - confidence) * count + 1e-9));
  std::nth_element(lows.begin(), lows.begin() + rank, lows.end());
  std::nth_element(highs.begin(), highs.begin() + rank, highs.end(), std::greater<>());
  result.interval = {lows[static_cast<size_t>(rank)], highs[static_cast<size_t>(rank)]};
  return result;
}

}  // namespace assay
