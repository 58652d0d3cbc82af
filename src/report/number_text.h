#pragma once
// Numbers as people read them: one rule for every format. The minus is U+2212; NaN is "–".

#include <cstdint>
#include <string>

#include "report/view.h"

namespace assay::report {

// Three decimals below 10, two below 100, one above: 0.042, 12.31, 104.2.
std::string number_text(double value);

// number_text with its sign: +0.042.
std::string signed_text(double value);

// "−0.042 [−0.071, −0.013]"; without bounds the value alone.
std::string estimate_text(const Estimate& estimate);
std::string difference_text(const Estimate& difference);

// What the variant did, on the scale of its margin: difference_text, or of a ratio "×1.080
// [1.020, 1.140]".
std::string effect_text(const Result& result);
std::string effect_value_text(const Result& result);     // without the interval
std::string effect_interval_text(const Result& result);  // "[−0.071, −0.013]", "" without one
std::string margin_text(const Result& result);           // "0.050", "×1.100"
std::string mde_text(const Result& result);              // on the same scale

std::string error_text(double error);    // "0.0312", "2.1e-05", "0" of nothing changed
std::string p_text(double p);            // "0.013", "< 0.001"
std::string percent_text(double share);  // "50.0 %"
std::string size_text(double bytes);     // "91.7 MB" (10^6 bytes)
std::string bits_text(double bits);      // "4.50"
std::string count_text(int64_t count);   // "12 345" with U+202F between groups of three
std::string count_text(double count);    // the same, rounded; "–" for NaN

}  // namespace assay::report
