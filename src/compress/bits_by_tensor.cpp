#include "compress/bits_by_tensor.h"

namespace assay {
namespace {

bool fits(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern.front() != '*') {
    return !name.empty() && name.front() == pattern.front() &&
           fits(pattern.substr(1), name.substr(1));
  }
  for (size_t skipped = 0; skipped <= name.size(); ++skipped) {
    if (fits(pattern.substr(1), name.substr(skipped))) return true;
  }
  return false;
}

}  // namespace

bool fits_tensor(std::string_view pattern, std::string_view tensor) {
  constexpr std::string_view kPrefix = "model.", kSuffix = ".weight";
  if (tensor.starts_with(kPrefix)) tensor.remove_prefix(kPrefix.size());
  if (tensor.ends_with(kSuffix)) tensor.remove_suffix(kSuffix.size());
  return fits(pattern, tensor);
}

int64_t bits_of_tensor(const std::vector<BitsOverride>& overrides, int64_t fallback,
                       std::string_view tensor) {
  for (const BitsOverride& override : overrides) {
    if (fits_tensor(override.tensors, tensor)) return override.bits;
  }
  return fallback;
}

}  // namespace assay
