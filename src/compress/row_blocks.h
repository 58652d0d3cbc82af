#pragma once
// A matrix cut into blocks of rows for the threads; the cut depends on the shape alone.

#include <algorithm>
#include <cstdint>

#include "base/thread_pool.h"

namespace assay {

// fn(first row, last row + 1) over blocks of about 2^15 entries, in parallel.
template <class Fn>
void for_each_row_block(int64_t rows, int64_t cols, const Fn& fn) {
  const int64_t block = std::max<int64_t>(1, (int64_t{1} << 15) / std::max<int64_t>(1, cols));
  parallel_for((rows + block - 1) / block,
               [&](int64_t i) { fn(i * block, std::min(rows, (i + 1) * block)); });
}

}  // namespace assay
