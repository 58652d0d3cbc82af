#include "kernels/isa.h"

namespace assay::kernels {

bool has_isa(Isa isa) {
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (isa == Isa::kAvx2) return avx2;
  if (isa == Isa::kAvx512) return avx2 && __builtin_cpu_supports("avx512f");
#endif
  return isa == Isa::kPortable;
}

Isa best_isa() {
  static const Isa best = has_isa(Isa::kAvx512) ? Isa::kAvx512
                          : has_isa(Isa::kAvx2) ? Isa::kAvx2
                                                : Isa::kPortable;
  return best;
}

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::kPortable:
      return "portable";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
  }
  return "";
}

}  // namespace assay::kernels
