#include "stats/distributions.h"

#include <boost/math/distributions/beta.hpp>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>

#include "base/error.h"

namespace assay {

double normal_quantile(double p) {
  require(p > 0 && p < 1, "normal_quantile: p must be in (0, 1), got ", p);
  return boost::math::quantile(boost::math::normal(), p);
}

double student_t_quantile(double p, double dof) {
  require(p > 0 && p < 1, "student_t_quantile: p must be in (0, 1), got ", p);
  require(dof > 0, "student_t_quantile: dof must be positive, got ", dof);
  return boost::math::quantile(boost::math::students_t(dof), p);
}

double student_t_two_sided_p(double t, double dof) {
  require(dof > 0, "student_t_two_sided_p: dof must be positive, got ", dof);
  require(!std::isnan(t), "student_t_two_sided_p: t is NaN");
  if (std::isinf(t)) return 0;
  return 2 * boost::math::cdf(boost::math::complement(boost::math::students_t(dof), std::abs(t)));
}

double binomial_upper_tail(int64_t k, int64_t n, double p) {
  require(n >= 0 && k <= n && p >= 0 && p <= 1, "binomial_upper_tail: bad k=", k, " n=", n,
          " p=", p);
  if (k <= 0) return 1;
  const boost::math::binomial distribution(static_cast<double>(n), p);
  return boost::math::cdf(boost::math::complement(distribution, static_cast<double>(k - 1)));
}

double beta_quantile(double p, double a, double b) {
  require(p >= 0 && p <= 1 && a > 0 && b > 0, "beta_quantile: bad p=", p, " a=", a, " b=", b);
  return boost::math::quantile(boost::math::beta_distribution<>(a, b), p);
}

}  // namespace assay
