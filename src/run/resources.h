#pragma once
// What this machine has, for plans.

#include <cstdint>
#include <filesystem>

namespace assay {

int64_t free_disk(
    const std::filesystem::path& path);  // bytes on the file system that will hold `path`
double measured_gflops();                // float32 products of this program, about 0.2 s

}  // namespace assay
