// The machine's own float32 product rate: the best of libtorch's (MKL) at [2048, k] x [k, n] over
// SmolLM2's shapes and a large square, on all processors of this process. Prints GFLOP/s of wall
// time and per second of processor time.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <iostream>

#include "base/thread_pool.h"

namespace {

double processor_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

}  // namespace

int main() {
  at::set_num_threads(static_cast<int>(assay::num_threads()));
  double best_wall = 0, best_processor = 0;
  for (const auto& [k, n] : {std::pair{576, 576}, {576, 1536}, {1536, 576}, {2048, 2048}}) {
    const auto x = at::randn({2048, k}), w = at::randn({n, k});
    auto y = at::linear(x, w);
    for (int i = 0; i < 6; ++i) {
      const auto start = std::chrono::steady_clock::now();
      const double start_processor = processor_seconds();
      y = at::linear(x, w);
      const double gflop = 2e-9 * 2048 * k * n;
      best_processor = std::max(best_processor, gflop / (processor_seconds() - start_processor));
      best_wall = std::max(
          best_wall,
          gflop / std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
  }
  std::cout << best_wall << ' ' << best_processor << '\n';
}
