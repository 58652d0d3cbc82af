#include "compress/nm_pattern.h"

#include <charconv>
#include <optional>

#include "base/error.h"

namespace assay {
namespace {

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

NmPattern parse_nm_pattern(std::string_view text) {
  const auto colon = text.find(':');
  const auto keep = whole_number(text.substr(0, colon));
  const auto of = colon == text.npos ? std::nullopt : whole_number(text.substr(colon + 1));
  require(keep && of && 0 < *keep && *keep < *of && *of <= 32, "pattern '", text,
          "': expected N:M with 0 < N < M <= 32 (N kept of every M), such as 2:4, or unstructured");
  return {*keep, *of};
}

std::string to_string(NmPattern pattern) {
  return std::to_string(pattern.keep) + ":" + std::to_string(pattern.of);
}

}  // namespace assay
