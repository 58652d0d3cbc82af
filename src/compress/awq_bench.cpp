// AWQ's searches on the shapes of Llama-2-7B, each beside its definition (`Plain`: the form of the
// authors' program, every token at every grid point, on torch's products): the ratio of two rows of
// one run is the gain; CPU is that of all threads, so that a busy machine counts less. Arguments:
// out_features, in_features, tokens; of the modules hidden_size, intermediate_size (heads), tokens.

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include <cmath>

#include "compress/awq_clip.h"
#include "compress/awq_modules.h"
#include "compress/awq_scale.h"
#include "model/block.h"

namespace assay {
namespace {

constexpr AwqQuantizerConfig kConfig{};  // 4 bit, groups of 128
constexpr auto kRule = AwqScaleRule::kInputs;

at::Tensor weight_of(int64_t out, int64_t in) {
  return at::randn({out, in}) / std::sqrt(static_cast<double>(in));
}

// Channels of very different size, some of them outliers, tokens too: as inputs of language models.
at::Tensor inputs_of(int64_t tokens, int64_t in) {
  auto x = at::randn({tokens, in});
  x.mul_(at::randn({in}).exp_()).mul_(at::randn({tokens, 1}).mul_(0.5).exp_());
  return x;
}

template <class Search>
void time_linear(benchmark::State& state, const Search& search) {
  at::manual_seed(0);
  const auto weight = weight_of(state.range(0), state.range(1));
  const auto inputs = inputs_of(state.range(2), state.range(1));
  for (auto _ : state) {
    const ScaleChoice choice = search(weight, inputs, kRule, kConfig);
    state.counters["parts"] = static_cast<double>(choice.search.parts_seen);
    state.counters["point"] = static_cast<double>(choice.search.point);
  }
}
void BM_LinearScale(benchmark::State& state) { time_linear(state, search_linear_scale); }
void BM_LinearScalePlain(benchmark::State& state) { time_linear(state, search_linear_scale_plain); }

template <class Search>
void time_clip(benchmark::State& state, const Search& search) {
  at::manual_seed(0);
  const auto weight = weight_of(state.range(0), state.range(1));
  const auto inputs = inputs_of(state.range(2), state.range(1));
  for (auto _ : state) benchmark::DoNotOptimize(search(weight, inputs, kConfig));
}
void BM_Clip(benchmark::State& state) { time_clip(state, awq_clip_steps); }
void BM_ClipPlain(benchmark::State& state) { time_clip(state, awq_clip_steps_plain); }

MlpModule mlp_of(int64_t hidden, int64_t inner, int64_t tokens) {
  at::manual_seed(0);
  MlpModule mlp{weight_of(inner, hidden),
                weight_of(inner, hidden),
                weight_of(hidden, inner),
                inputs_of(tokens, hidden),
                {}};
  mlp.gated = gated_output(Linear(mlp.gate_proj), Linear(mlp.up_proj), mlp.normed, mlp.activation);
  return mlp;
}

template <class Search>
void time_mlp(benchmark::State& state, const Search& search) {
  const auto mlp = mlp_of(state.range(0), state.range(1), state.range(2));
  for (auto _ : state) {
    const ScaleChoice choice = search(mlp, kRule, kConfig);
    state.counters["parts"] = static_cast<double>(choice.search.parts_seen);
    state.counters["point"] = static_cast<double>(choice.search.point);
  }
}
void BM_MlpScale(benchmark::State& state) { time_mlp(state, search_mlp_scale); }
void BM_MlpScalePlain(benchmark::State& state) { time_mlp(state, search_mlp_scale_plain); }

template <class Search>
void time_attention(benchmark::State& state, const Search& search) {
  at::manual_seed(0);
  constexpr int64_t kLength = 512;
  const int64_t hidden = state.range(0), sequences = state.range(2) / kLength;
  ModelConfig model;
  model.hidden_size = hidden;
  model.num_attention_heads = model.num_key_value_heads = state.range(1);
  model.head_dim = hidden / state.range(1);
  AttentionModule module{weight_of(hidden, hidden),
                         weight_of(hidden, hidden),
                         weight_of(hidden, hidden),
                         weight_of(hidden, hidden),
                         inputs_of(sequences * kLength, hidden),
                         {},
                         std::vector<int64_t>(static_cast<size_t>(sequences), kLength)};
  const auto forest = forest_of_sequences(std::vector<std::vector<int32_t>>(
      static_cast<size_t>(sequences), std::vector<int32_t>(kLength, 0)));
  module.attended =
      attention_output({Linear(module.q_proj), Linear(module.k_proj), Linear(module.v_proj)}, model,
                       ForestLayout(model, forest), module.normed);
  for (auto _ : state) {
    const ScaleChoice choice = search(module, model, kRule, kConfig);
    state.counters["parts"] = static_cast<double>(choice.search.parts_seen);
    state.counters["point"] = static_cast<double>(choice.search.point);
  }
}
void BM_AttentionScale(benchmark::State& state) { time_attention(state, search_attention_scale); }
void BM_AttentionScalePlain(benchmark::State& state) {
  time_attention(state, search_attention_scale_plain);
}

void once(benchmark::internal::Benchmark* benchmark) {
  benchmark->Iterations(1)->UseRealTime()->MeasureProcessCPUTime()->Unit(benchmark::kMillisecond);
}
void linear_shapes(benchmark::internal::Benchmark* benchmark) {
  for (const int64_t tokens : {2048, 16384}) {
    benchmark->Args({4096, 4096, tokens})->Args({4096, 11008, tokens});
  }
  once(benchmark);
}
void clip_shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Args({4096, 4096, 512})->Args({11008, 4096, 512})->Args({4096, 11008, 512});
  once(benchmark);
}
BENCHMARK(BM_LinearScale)->Apply(linear_shapes);
BENCHMARK(BM_LinearScalePlain)->Apply(linear_shapes);
BENCHMARK(BM_Clip)->Apply(clip_shapes);
BENCHMARK(BM_ClipPlain)->Apply(clip_shapes);
BENCHMARK(BM_MlpScale)->Args({4096, 11008, 2048})->Apply(once);
BENCHMARK(BM_MlpScalePlain)->Args({4096, 11008, 2048})->Apply(once);
BENCHMARK(BM_AttentionScale)->Args({4096, 32, 2048})->Apply(once);
BENCHMARK(BM_AttentionScalePlain)->Args({4096, 32, 2048})->Apply(once);

}  // namespace
}  // namespace assay
