#pragma once
// The threads of the kernels. They sleep when there is no work: threads that spin while other
// programs want the cores cost a factor of eight.

#include <cstdint>
#include <functional>

namespace assay {

// Threads that parallel_for uses, the caller's included. Default: the processors this process may
// run on.
int64_t num_threads();
void set_num_threads(
    int64_t count);  // Error(kBadInput) below 1 or above 1024; not while parallel_for runs

// Calls fn(0) ... fn(count - 1), each once, in any order, on num_threads() threads, and returns
// when all are done. The cut of the work is the caller's, so it never depends on the number of
// threads. A call inside `fn` runs serially. The first exception is thrown again after the rest has
// finished or been skipped.
void parallel_for(int64_t count, const std::function<void(int64_t index)>& fn);

}  // namespace assay
