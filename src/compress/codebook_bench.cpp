// NF4 and FP4 on the shapes of Llama-2-7B's q_proj and down_proj, beside round-to-nearest in groups
// of 64: the ratio of two rows of one run is what a codebook costs.

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include "compress/codebook.h"
#include "compress/rtn.h"

namespace assay {
namespace {

template <class Quantize>
void time_quantizer(benchmark::State& state, const Quantize& quantize) {
  at::manual_seed(0);
  const auto weight = at::randn({state.range(0), state.range(1)});
  for (auto _ : state) benchmark::DoNotOptimize(quantize(weight));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(weight.nbytes()));
}

void BM_Nf4(benchmark::State& state) {
  time_quantizer(state, [](const at::Tensor& w) { return codebook_quantize(w, {}).values; });
}
void BM_Nf4Nested(benchmark::State& state) {
  time_quantizer(state, [](const at::Tensor& w) {
    return codebook_quantize(w, {.double_quant = true}).values;
  });
}
void BM_Fp4(benchmark::State& state) {
  time_quantizer(state, [](const at::Tensor& w) {
    return codebook_quantize(w, {.codebook = Codebook::kFp4}).values;
  });
}
void BM_RtnGroupsOf64(benchmark::State& state) {
  time_quantizer(state,
                 [](const at::Tensor& w) { return rtn_quantize(w, {{.group_size = 64}}).values; });
}

void llama_shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Args({4096, 4096})->Args({4096, 11008})->UseRealTime()->Unit(benchmark::kMillisecond);
}
BENCHMARK(BM_Nf4)->Apply(llama_shapes);
BENCHMARK(BM_Nf4Nested)->Apply(llama_shapes);
BENCHMARK(BM_Fp4)->Apply(llama_shapes);
BENCHMARK(BM_RtnGroupsOf64)->Apply(llama_shapes);

}  // namespace
}  // namespace assay
