#pragma once
// Distribution functions and quantiles (Boost.Math). All arguments are checked: Error(kBadInput).

#include <cstdint>

namespace assay {

double normal_quantile(double p);                    // p in (0, 1)
double student_t_quantile(double p, double dof);     // p in (0, 1), dof > 0, need not be whole
double student_t_two_sided_p(double t, double dof);  // P(|T| >= |t|)
double binomial_upper_tail(int64_t k, int64_t n, double p);  // P(X >= k)
double beta_quantile(double p, double a, double b);          // p in [0, 1], a and b > 0

}  // namespace assay
