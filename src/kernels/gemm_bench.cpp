// GFLOP/s of our product beside libtorch's two: MKL (at::linear) and oneDNN with a prepacked
// weight. Shapes are SmolLM2's, and one of 4096 channels. The counter `flops` is per second of
// processor time, of all threads, so that other work on the machine disturbs it little.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <benchmark/benchmark.h>

#include "base/thread_pool.h"
#include "kernels/gemm.h"

namespace assay::kernels {
namespace {

struct Shape {
  int64_t rows, in, out;
  explicit Shape(const benchmark::State& state)
      : rows(state.range(0)), in(state.range(1)), out(state.range(2)) {}
};

void report(benchmark::State& state, const Shape& s) {
  state.counters["flops"] = benchmark::Counter(2.0 * static_cast<double>(s.rows * s.in * s.out),
                                               benchmark::Counter::kIsIterationInvariantRate);
}

void BM_Ours(benchmark::State& state) {
  const Shape s(state);
  const auto x = at::randn({s.rows, s.in}), w = at::randn({s.out, s.in}),
             y = at::empty({s.rows, s.out});
  const auto packed = pack_weight(w.const_data_ptr<float>(), s.out, s.in);
  for (auto _ : state)
    multiply(packed, x.const_data_ptr<float>(), s.rows, y.mutable_data_ptr<float>());
  report(state, s);
}

void BM_Mkl(benchmark::State& state) {
  at::set_num_threads(static_cast<int>(num_threads()));
  const Shape s(state);
  const auto x = at::randn({s.rows, s.in}), w = at::randn({s.out, s.in});
  for (auto _ : state) benchmark::DoNotOptimize(at::linear(x, w));
  report(state, s);
}

void BM_OneDnnPrepacked(benchmark::State& state) {
  at::set_num_threads(static_cast<int>(num_threads()));
  const Shape s(state);
  const auto x = at::randn({s.rows, s.in}), w = at::randn({s.out, s.in});
  const auto reorder = c10::Dispatcher::singleton()
                           .findSchemaOrThrow("mkldnn::_reorder_linear_weight", "")
                           .typed<at::Tensor(const at::Tensor&, std::optional<int64_t>)>();
  const auto linear =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("mkldnn::_linear_pointwise", "")
          .typed<at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                            std::string_view, c10::List<std::optional<at::Scalar>>,
                            std::optional<std::string_view>)>();
  const auto packed = reorder.call(w, s.rows);
  for (auto _ : state) {
    benchmark::DoNotOptimize(linear.call(x, packed, std::nullopt, "none",
                                         c10::List<std::optional<at::Scalar>>(), std::nullopt));
  }
  report(state, s);
}

void shapes(benchmark::internal::Benchmark* bench) {
  bench->MeasureProcessCPUTime()->Unit(benchmark::kMicrosecond);
  for (const int64_t rows : {1, 4, 16, 64, 256, 1024, 2048}) {
    bench->Args({rows, 576, 576})
        ->Args({rows, 576, 1536})
        ->Args({rows, 1536, 576})
        ->Args({rows, 576, 192});
  }
  bench->Args({2048, 4096, 4096});
  bench->Args({1, 576, 49152})->Args({16, 576, 49152})->Args({256, 576, 49152});
}
BENCHMARK(BM_Ours)->Apply(shapes);
BENCHMARK(BM_Mkl)->Apply(shapes);
BENCHMARK(BM_OneDnnPrepacked)->Apply(shapes);

}  // namespace
}  // namespace assay::kernels
