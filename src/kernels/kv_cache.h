#pragma once
// Rows of keys and values as a cache in few bits gives them back. A row's result depends on that
// row alone, to the bit: what a token attends to is the same whether rows entered the cache one by
// one or all at once.
//
// The head_dim channels of a head are cut into groups of group_size from channel 0; the last group
// of a head may be narrower. In each group, in float32,
//   asymmetric:  lo = min x, hi = max x,  step = (hi - lo) / (2^bits - 1),
//                code = round((x - lo) / step),  value = lo + code * step
//   symmetric:   hi = max |x|, lo = -hi,  step = hi / (2^(bits - 1) - 1),
//                code = round(x / step),  value = code * step
// with true divisions, rounding half to even, one rounding of value (fma). The ends of the grid
// stand for lo and hi themselves: value(first code) = lo, value(last code) = hi. So a group holds
// at most 2^bits values (symmetric: 2^bits - 1), none moves by more than half a step, and values
// that went through once come back unchanged. A step below float32's least normal number is none:
// the group becomes lo (symmetric: 0).
//
// The asymmetric form is that of FlexGen (Sheng et al., ICML 2023, arXiv:2303.06865) and of the
// values of KIVI (Liu et al., ICML 2024, arXiv:2402.02750); the symmetric one, in groups of 32, is
// llama.cpp's cache of type q8_0.

#include <cstdint>

#include "kernels/isa.h"

namespace assay::kernels {

struct KvCacheFormat {
  int64_t bits = 4;         // of a code, in [2, 8]
  int64_t group_size = 64;  // channels of a head that share a range; -1 = all of the head
  bool sym = false;         // the grid is centred on zero
  bool operator==(const KvCacheFormat&) const = default;
};

// x [num_rows, num_heads * head_dim], in place; rows in parallel. Error(kBadInput) on a format out
// of range, and on a group that holds what is not finite or spans more than float32 does.
void through_cache_(float* x, int64_t num_rows, int64_t num_heads, int64_t head_dim,
                    const KvCacheFormat& format, Isa isa = best_isa());

}  // namespace assay::kernels
