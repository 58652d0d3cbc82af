#pragma once

#include <cstdint>
#include <filesystem>

namespace assay {

// Bytes that are free on the file system that will hold `path`, which need not exist yet.
// Error(kBadInput) where the system cannot tell.
int64_t free_disk(const std::filesystem::path& path);

}  // namespace assay
