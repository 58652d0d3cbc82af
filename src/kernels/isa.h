#pragma once
// Which instructions the kernels may use. Every kernel gives the same bits with each of them.

#include <string_view>

namespace assay::kernels {

enum class Isa { kPortable, kAvx2, kAvx512 };

Isa best_isa();  // of this processor
bool has_isa(Isa isa);
std::string_view isa_name(Isa isa);  // "portable", "avx2", "avx512"

}  // namespace assay::kernels
