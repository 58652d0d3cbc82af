// Products per second of the 8-bit product, beside BM_Ours of gemm_bench.cpp (float32, the same
// shapes): the ratio of two rows of one run is the gain. `flops` is per second of processor time,
// of all threads. One activation in 1000 is an outlier, as the paper finds in large models; in
// BM_Int8 none is.

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include "kernels/int8_mixed.h"

namespace assay::kernels {
namespace {

void time_int8(benchmark::State& state, const LlmInt8Options& options) {
  const int64_t rows = state.range(0), in = state.range(1), out = state.range(2);
  at::manual_seed(0);
  const auto x = at::randn({rows, in}).clamp(-5, 5), w = at::randn({out, in}),
             y = at::empty({rows, out}), codes = at::empty({out, in}, at::kChar),
             absmax = at::empty({out});
  x.masked_fill_(at::rand({rows, in}) < 0.001, 20.0);
  quantize_rows_int8(w.const_data_ptr<float>(), out, in, codes.mutable_data_ptr<int8_t>(),
                     absmax.mutable_data_ptr<float>());
  const auto packed =
      pack_int8_weight(codes.const_data_ptr<int8_t>(), absmax.const_data_ptr<float>(), out, in);
  for (auto _ : state) {
    multiply_int8(packed, options, x.const_data_ptr<float>(), rows, y.mutable_data_ptr<float>());
  }
  state.counters["flops"] = benchmark::Counter(2.0 * static_cast<double>(rows * in * out),
                                               benchmark::Counter::kIsIterationInvariantRate);
}

void BM_Int8(benchmark::State& state) { time_int8(state, {.threshold = 0}); }
void BM_Int8OutliersPerRow(benchmark::State& state) { time_int8(state, {}); }
void BM_Int8OutliersOfBatch(benchmark::State& state) {
  time_int8(state, {.outliers = OutlierColumns::kBatch});
}

void shapes(benchmark::internal::Benchmark* bench) {
  bench->MeasureProcessCPUTime()->Unit(benchmark::kMicrosecond);
  for (const int64_t rows : {1, 16, 256, 2048}) {
    bench->Args({rows, 576, 576})
        ->Args({rows, 576, 1536})
        ->Args({rows, 1536, 576})
        ->Args({rows, 576, 192});
  }
}
BENCHMARK(BM_Int8)->Apply(shapes);
BENCHMARK(BM_Int8OutliersPerRow)->Apply(shapes);
BENCHMARK(BM_Int8OutliersOfBatch)->Apply(shapes);

}  // namespace
}  // namespace assay::kernels
