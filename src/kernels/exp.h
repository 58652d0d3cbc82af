#pragma once
// exp in float32, the same bits one by one and eight at a time: a kernel's result does not depend
// on vector tails.
//
// x is cut at 88; below -87 the result is 0. Else 2^n * p(r), n = round(x / ln 2), r = x - n ln 2
// in two steps, p the degree-7 polynomial of Cephes' expf; error below 2 units in the last place.
// NaN gives NaN.

#include <bit>
#include <cmath>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace assay::kernels {

namespace exp_constants {
inline constexpr float kHighest = 88.0f, kLowest = -87.0f;
inline constexpr float kLog2E = 1.44269504088896341f;
inline constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
inline constexpr float kCoefficients[] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                                          4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
}  // namespace exp_constants

inline float exp_float(float x) {
  using namespace exp_constants;
  if (std::isnan(x)) return x;
  if (x < kLowest) return 0;
  x = kHighest < x ? kHighest : x;
  const float n = std::nearbyint(x * kLog2E);
  float r = std::fma(-n, kLn2High, x);
  r = std::fma(-n, kLn2Low, r);
  float p = kCoefficients[0];
  for (int i = 1; i < 6; ++i) p = std::fma(p, r, kCoefficients[i]);
  p = std::fma(p, r * r, r) + 1.0f;
  return p * std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) inline __m256 exp_avx2(__m256 x) {
  using namespace exp_constants;
  const __m256 is_zero = _mm256_cmp_ps(x, _mm256_set1_ps(kLowest), _CMP_LT_OQ);
  x = _mm256_min_ps(_mm256_set1_ps(kHighest), x);  // NaN stays
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(kLog2E)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(kLn2High), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(kLn2Low), r);
  __m256 p = _mm256_set1_ps(kCoefficients[0]);
  for (int i = 1; i < 6; ++i) p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(kCoefficients[i]));
  p = _mm256_add_ps(_mm256_fmadd_ps(p, _mm256_mul_ps(r, r), r), _mm256_set1_ps(1.0f));
  const __m256i exponent =
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_andnot_ps(is_zero, _mm256_mul_ps(p, _mm256_castsi256_ps(exponent)));
}
#endif

}  // namespace assay::kernels
