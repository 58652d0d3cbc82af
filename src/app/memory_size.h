#pragma once

#include <cstdint>
#include <string_view>

namespace assay::app {

// "8GiB", "6 GB", "1.5g", "4000000000" -> bytes: KB, MB, GB, TB are powers of 1000, KiB, MiB, GiB,
// TiB of 1024, and K, M, G, T alone are those of 1024, in either case. Error(kBadInput) names
// `flag`.
int64_t parse_memory_size(std::string_view flag, std::string_view text);

}  // namespace assay::app
