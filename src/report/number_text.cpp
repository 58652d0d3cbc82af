#include "report/number_text.h"

#include <fmt/format.h>

#include <cmath>

namespace assay::report {
namespace {

constexpr const char* kNothing = "–";
constexpr const char* kMinus = "−";
const std::string kTimes = "×";

// "-0.000" is "0.000".
std::string fixed(double magnitude, int decimals) {
  return fmt::format("{:.{}f}", magnitude, decimals);
}

int decimals_of(double magnitude) { return magnitude < 10 ? 3 : magnitude < 100 ? 2 : 1; }

bool rounds_to_zero(const std::string& digits) {
  return digits.find_first_not_of("0.") == std::string::npos;
}

std::string with_sign(double value, const char* plus) {
  if (std::isnan(value)) return kNothing;
  if (std::isinf(value)) return std::string(value < 0 ? kMinus : plus) + "∞";
  const double magnitude = std::abs(value);
  const std::string digits = magnitude >= 1e6 ? fmt::format("{:.3g}", magnitude)
                                              : fixed(magnitude, decimals_of(magnitude));
  if (rounds_to_zero(digits)) return digits;
  return (value < 0 ? kMinus : plus) + digits;
}

std::string with_bounds(std::string value, const Estimate& e, const char* plus) {
  if (std::isnan(e.low) && std::isnan(e.high)) return value;
  return value + " [" + with_sign(e.low, plus) + ", " + with_sign(e.high, plus) + "]";
}

}  // namespace

std::string number_text(double value) { return with_sign(value, ""); }

std::string signed_text(double value) { return with_sign(value, "+"); }

std::string estimate_text(const Estimate& e) { return with_bounds(number_text(e.value), e, ""); }

std::string difference_text(const Estimate& e) { return with_bounds(signed_text(e.value), e, "+"); }

std::string effect_text(const Result& r) {
  const std::string interval = effect_interval_text(r);
  return effect_value_text(r) + (interval.empty() ? "" : " " + interval);
}

std::string effect_value_text(const Result& r) {
  if (!r.is_ratio) return signed_text(r.difference.value);
  return std::isnan(r.ratio.value) ? kNothing : kTimes + number_text(r.ratio.value);
}

std::string effect_interval_text(const Result& r) {
  const Estimate& e = r.is_ratio ? r.ratio : r.difference;
  const char* plus = r.is_ratio ? "" : "+";
  if (std::isnan(e.low) && std::isnan(e.high)) return "";
  return "[" + with_sign(e.low, plus) + ", " + with_sign(e.high, plus) + "]";
}

std::string margin_text(const Result& r) {
  return (r.is_ratio ? kTimes : "") + number_text(r.margin);
}

std::string mde_text(const Result& r) {
  if (std::isnan(r.mde)) return kNothing;
  return r.is_ratio ? kTimes + number_text(std::exp(r.mde)) : number_text(r.mde);
}

std::string error_text(double error) {
  return std::isnan(error) ? kNothing : fmt::format("{:.3g}", error);
}

std::string p_text(double p) {
  if (std::isnan(p)) return kNothing;
  return p < 0.001 ? "< 0.001" : fixed(p, 3);
}

std::string percent_text(double share) {
  return std::isnan(share) ? kNothing : fixed(100 * share, 1) + " %";
}

std::string size_text(double bytes) {
  if (std::isnan(bytes)) return kNothing;
  return bytes >= 1e9 ? fixed(bytes / 1e9, 2) + " GB" : fixed(bytes / 1e6, 1) + " MB";
}

std::string bits_text(double bits) { return std::isnan(bits) ? kNothing : fixed(bits, 2); }

std::string count_text(int64_t count) {
  std::string digits = std::to_string(count);
  for (auto i = static_cast<int64_t>(digits.size()) - 3; i > 0; i -= 3) {
    digits.insert(static_cast<size_t>(i), "\u202F");
  }
  return digits;
}

std::string count_text(double count) {
  return std::isnan(count) ? kNothing : count_text(static_cast<int64_t>(std::llround(count)));
}

}  // namespace assay::report
