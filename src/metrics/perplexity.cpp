#include "metrics/perplexity.h"

#include <cmath>
#include <limits>
#include <numbers>

namespace assay {
namespace {

double quotient(double numerator, double denominator) {
  return denominator == 0 ? std::numeric_limits<double>::quiet_NaN() : numerator / denominator;
}

}  // namespace

double perplexity(std::span<const double> sums) { return std::exp(quotient(sums[0], sums[1])); }

double bits_per_byte(std::span<const double> sums) {
  return quotient(sums[0], sums[1]) / std::numbers::ln2;
}

double cost_ratio(std::span<const double> sums) { return quotient(sums[0], sums[1]); }

double perplexity_ratio(std::span<const double> sums) {
  return std::exp(quotient(sums[0], sums[1]) - quotient(sums[2], sums[3]));
}

}  // namespace assay
