#include "base/free_disk.h"

#include <system_error>

#include "base/error.h"

namespace assay {

int64_t free_disk(const std::filesystem::path& path) {
  auto existing = std::filesystem::absolute(path);
  while (!std::filesystem::exists(existing)) existing = existing.parent_path();
  std::error_code error;
  const auto space = std::filesystem::space(existing, error);
  require(!error, existing.string(), ": cannot tell the free space: ", error.message());
  return static_cast<int64_t>(space.available);
}

}  // namespace assay
