#include "run/resources.h"

#include <ATen/ATen.h>

#include <chrono>

#include "model/linear.h"

namespace assay {

double measured_gflops() {
  constexpr int64_t kRows = 512, kWidth = 1024;
  const Linear linear(at::ones({kWidth, kWidth}));
  const auto x = at::ones({kRows, kWidth});
  auto sum = at::zeros({kRows, kWidth});  // in place: fresh memory would be measured too
  linear.add_(x, sum);
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  double seconds = 0;
  int64_t rounds = 0;
  while (seconds < 0.2) {
    linear.add_(x, sum);
    ++rounds;
    seconds = std::chrono::duration<double>(Clock::now() - start).count();
  }
  return 2.0 * static_cast<double>(rounds * kRows * kWidth * kWidth) / seconds / 1e9;
}

}  // namespace assay
