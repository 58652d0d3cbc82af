#pragma once
// Adjusted p-values for several tests at once, in the order given; each is at least its raw p and
// at most 1. Error(kBadInput) on a p outside [0, 1].

#include <span>
#include <vector>

namespace assay {

// Step-down, controls the chance of any false alarm. Source: Holm, Scandinavian Journal of
// Statistics 1979.
std::vector<double> holm(std::span<const double> p);

// Step-up, controls the expected share of false alarms. Source: Benjamini & Hochberg, JRSS B 1995.
std::vector<double> benjamini_hochberg(std::span<const double> p);

}  // namespace assay
