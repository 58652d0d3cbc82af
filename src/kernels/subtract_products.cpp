#include "kernels/subtract_products.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace assay::kernels {
namespace {

void subtract_portable(float* w, const float* e, const float* f, int64_t count) {
  for (int64_t k = 0; k < count; ++k) {
    for (int64_t l = 0; l < kLanes; ++l) w[l] -= e[k * kLanes + l] * f[k];
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void subtract_avx2(float* w, const float* e, const float* f,
                                                   int64_t count) {
  __m256 sum[4];
#pragma GCC unroll 4
  for (int v = 0; v < 4; ++v) sum[v] = _mm256_loadu_ps(w + 8 * v);
  for (int64_t k = 0; k < count; ++k, e += kLanes) {
    const __m256 factor = _mm256_broadcast_ss(f + k);
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v)
      sum[v] = _mm256_sub_ps(sum[v], _mm256_mul_ps(_mm256_loadu_ps(e + 8 * v), factor));
  }
#pragma GCC unroll 4
  for (int v = 0; v < 4; ++v) _mm256_storeu_ps(w + 8 * v, sum[v]);
}

__attribute__((target("avx512f"))) void subtract_avx512(float* w, const float* e, const float* f,
                                                        int64_t count) {
  __m512 low = _mm512_loadu_ps(w), high = _mm512_loadu_ps(w + 16);
  for (int64_t k = 0; k < count; ++k, e += kLanes) {
    const __m512 factor = _mm512_set1_ps(f[k]);
    low = _mm512_sub_ps(low, _mm512_mul_ps(_mm512_loadu_ps(e), factor));
    high = _mm512_sub_ps(high, _mm512_mul_ps(_mm512_loadu_ps(e + 16), factor));
  }
  _mm512_storeu_ps(w, low);
  _mm512_storeu_ps(w + 16, high);
}
#endif

}  // namespace

void subtract_products(float* w, const float* e, const float* f, int64_t count,
                       [[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return subtract_avx512(w, e, f, count);
  if (isa == Isa::kAvx2) return subtract_avx2(w, e, f, count);
#endif
  subtract_portable(w, e, f, count);
}

}  // namespace assay::kernels
