#include "app/memory_size.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <string>

#include "base/error.h"

namespace assay::app {
namespace {

// 0 for what is no unit.
double bytes_of_unit(std::string unit) {
  for (char& c : unit) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (unit.empty() || unit == "b") return 1;
  const auto power = std::string_view("kmgt").find(unit[0]);
  if (power == std::string_view::npos) return 0;
  const auto exponent = static_cast<double>(power + 1);
  const std::string rest = unit.substr(1);
  if (rest == "b") return std::pow(1000.0, exponent);
  return rest.empty() || rest == "ib" ? std::pow(1024.0, exponent) : 0;
}

}  // namespace

int64_t parse_memory_size(std::string_view flag, std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string unit(end, text.data() + text.size());
  unit.erase(0, unit.find_first_not_of(' '));
  const double bytes = number * bytes_of_unit(unit);
  require(error == std::errc() && bytes >= 1 && bytes < 1e18, flag, ": '", text,
          "' is not a size of memory (8GiB, 6GB, 500MB)");
  return static_cast<int64_t>(bytes);
}

}  // namespace assay::app
