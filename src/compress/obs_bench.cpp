// The Hessian, its factor and the sweeps of GPTQ and SparseGPT beside their plain versions, with
// the rate of necessary operations (compare bench/gemm_rate). The ratio of two rows of one run is
// the gain. Large shapes are those of Llama-2-7B's q_proj and down_proj; the plain sweeps run on a
// quarter of the width.

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include <array>

#include "calibration/input_hessian.h"
#include "compress/gptq.h"
#include "compress/inverse_factor.h"
#include "compress/sparsegpt.h"

namespace assay {
namespace {

at::Tensor tokens_of(int64_t rows, int64_t width) {
  at::manual_seed(0);
  return at::randn({rows, width}) + at::randn({rows, 1});
}

at::Tensor hessian_of(int64_t width) {
  const auto x = tokens_of(width + width / 4, width);
  return x.t().matmul(x);
}

void set_rate(benchmark::State& state, double operations) {
  state.counters["FLOP"] =
      benchmark::Counter(operations, benchmark::Counter::kIsIterationInvariantRate);
}

// One sequence of 2048 tokens: T d^2 operations, for H is symmetric.
void BM_HessianFast(benchmark::State& state) {
  const int64_t width = state.range(0), rows = 2048;
  const auto x = tokens_of(rows, width);
  const std::array<int64_t, 1> sequence{rows};
  InputHessian sum;
  InputHessian::Scratch scratch;
  for (auto _ : state) sum.add(x, sequence, scratch);
  set_rate(state, static_cast<double>(rows * width * width));
}
void BM_HessianPlain(benchmark::State& state) {
  const int64_t width = state.range(0), rows = 2048;
  const auto x = tokens_of(rows, width);
  auto sum = at::zeros({width, width});
  for (auto _ : state) sum.addmm_(x.t(), x);
  set_rate(state, static_cast<double>(rows * width * width));
}
BENCHMARK(BM_HessianFast)->Arg(4096)->Arg(11008)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(BM_HessianPlain)->Arg(4096)->Arg(11008)->UseRealTime()->Unit(benchmark::kMillisecond);

// 2/3 d^3 operations.
void BM_FactorFast(benchmark::State& state) {
  const int64_t width = state.range(0);
  const auto hessian = hessian_of(width);
  for (auto _ : state) benchmark::DoNotOptimize(inverse_factor(hessian, 0.01));
  set_rate(state, 2.0 / 3 * static_cast<double>(width * width * width));
}
// The papers' three factorizations in float32.
void BM_FactorPlain(benchmark::State& state) {
  const int64_t width = state.range(0);
  auto hessian = hessian_of(width);
  hessian.diagonal().add_(0.01 * hessian.diagonal().mean());
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        at::linalg_cholesky(at::cholesky_inverse(at::linalg_cholesky(hessian)), /*upper=*/true));
  }
  set_rate(state, 2.0 / 3 * static_cast<double>(width * width * width));
}
BENCHMARK(BM_FactorFast)->Arg(1024)->Arg(4096)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(BM_FactorPlain)->Arg(1024)->Arg(4096)->UseRealTime()->Unit(benchmark::kMillisecond);

struct Problem {
  at::Tensor weight;
  InverseFactor factor;
  std::vector<int64_t> order;
};

Problem problem_of(const benchmark::State& state) {
  const auto hessian = hessian_of(state.range(1));
  at::manual_seed(1);
  return {at::randn({state.range(0), state.range(1)}), inverse_factor(hessian, 0.01),
          column_order(hessian.diagonal(), ColumnOrder::kGiven, -1)};
}

// d_out d_in^2 operations.
void set_sweep_rate(benchmark::State& state) {
  set_rate(state, static_cast<double>(state.range(0) * state.range(1) * state.range(1)));
}

void BM_GptqFast(benchmark::State& state) {
  const Problem p = problem_of(state);
  const GptqConfig config{{.bits = 4, .group_size = 128}};
  for (auto _ : state) benchmark::DoNotOptimize(gptq(p.weight, p.factor, p.order, config));
  set_sweep_rate(state);
}
void BM_SparseGptFast(benchmark::State& state) {
  const Problem p = problem_of(state);
  for (auto _ : state) benchmark::DoNotOptimize(sparsegpt(p.weight, p.factor, {.sparsity = 0.5}));
  set_sweep_rate(state);
}
void BM_SparseGptTwoOfFourFast(benchmark::State& state) {
  const Problem p = problem_of(state);
  const SparseGptConfig config{.pattern = NmPattern{2, 4}};
  for (auto _ : state) benchmark::DoNotOptimize(sparsegpt(p.weight, p.factor, config));
  set_sweep_rate(state);
}
void BM_SweepPlain(benchmark::State& state) {
  const Problem p = problem_of(state);
  SweepRules rules;
  rules.sparsity = 0.5;
  for (auto _ : state) {
    benchmark::DoNotOptimize(plain_obs_sweep(p.weight, p.factor.upper, rules));
  }
  set_sweep_rate(state);
}
void shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Args({1024, 1024})->Args({4096, 4096})->UseRealTime()->Unit(benchmark::kMillisecond);
}
BENCHMARK(BM_GptqFast)->Apply(shapes);
BENCHMARK(BM_SparseGptFast)->Apply(shapes);
BENCHMARK(BM_SparseGptTwoOfFourFast)->Apply(shapes);
BENCHMARK(BM_SweepPlain)->Args({1024, 1024})->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace assay
