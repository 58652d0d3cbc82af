// Mask selection and rounding on the shapes of Llama-2-7B's q_proj and down_proj, the fast
// selection beside its sorting definition: the ratio of two rows of one run is the gain.

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include "compress/rtn.h"
#include "compress/selection.h"
#include "compress/selection_plain.h"
#include "compress/wanda.h"

namespace assay {
namespace {

at::Tensor metric_of(const benchmark::State& state) {
  at::manual_seed(0);
  return at::randn({state.range(0), state.range(1)}).abs();
}

template <class Select>
void time_selection(benchmark::State& state, const Select& select) {
  const auto metric = metric_of(state);
  for (auto _ : state) benchmark::DoNotOptimize(select(metric));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(metric.nbytes()));
}

void BM_RowFast(benchmark::State& state) {
  time_selection(state, [](const at::Tensor& m) { return keep_largest_per_row(m, m.size(1) / 2); });
}
// Wanda's mask: score and selection.
void BM_WandaFast(benchmark::State& state) {
  const auto norm = at::rand({state.range(1)});
  time_selection(state,
                 [&](const at::Tensor& m) { return wanda_keep_mask(m, norm, {.sparsity = 0.5}); });
}
void BM_WandaPlain(benchmark::State& state) {
  const auto norm = at::rand({state.range(1)});
  time_selection(state, [&](const at::Tensor& m) {
    return plain::keep_largest_per_row(m.abs() * norm, m.size(1) / 2);
  });
}
void BM_RowPlain(benchmark::State& state) {
  time_selection(state,
                 [](const at::Tensor& m) { return plain::keep_largest_per_row(m, m.size(1) / 2); });
}
void BM_MatrixFast(benchmark::State& state) {
  time_selection(state, [](const at::Tensor& m) { return keep_above_rank(m, m.numel() / 2); });
}
void BM_MatrixPlain(benchmark::State& state) {
  time_selection(state,
                 [](const at::Tensor& m) { return plain::keep_above_rank(m, m.numel() / 2); });
}
void BM_TwoOfFourFast(benchmark::State& state) {
  time_selection(state, [](const at::Tensor& m) { return keep_n_of_m(m, {2, 4}); });
}
void BM_TwoOfFourPlain(benchmark::State& state) {
  time_selection(state, [](const at::Tensor& m) { return plain::keep_n_of_m(m, {2, 4}); });
}
void BM_Rtn(benchmark::State& state) {
  time_selection(state, [](const at::Tensor& m) {
    return rtn_quantize(m, {{.bits = 4, .group_size = 128}}).values;
  });
}

void llama_shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Args({4096, 4096})->Args({4096, 11008})->UseRealTime()->Unit(benchmark::kMillisecond);
}
BENCHMARK(BM_RowFast)->Apply(llama_shapes);
BENCHMARK(BM_RowPlain)->Apply(llama_shapes);
BENCHMARK(BM_WandaFast)->Apply(llama_shapes);
BENCHMARK(BM_WandaPlain)->Apply(llama_shapes);
BENCHMARK(BM_MatrixFast)->Apply(llama_shapes);
BENCHMARK(BM_MatrixPlain)->Apply(llama_shapes);
BENCHMARK(BM_TwoOfFourFast)->Apply(llama_shapes);
BENCHMARK(BM_TwoOfFourPlain)->Apply(llama_shapes);
BENCHMARK(BM_Rtn)->Apply(llama_shapes);

}  // namespace
}  // namespace assay
