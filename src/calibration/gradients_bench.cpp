// aggregate_gradients on two blocks of SmolLM2's shape and one of Llama-2-7B's, with a small
// vocabulary, one sample. The rate counts the products of gradient_gflop.

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "calibration/gradients.h"
#include "model/tiny_model.h"

namespace assay {
namespace {

void BM_AggregateGradients(benchmark::State& state, const TinyModelOptions& options) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("assay_bench_" + std::to_string(::getpid()));
  write_tiny_model(folder, options);
  const auto checkpoint = Checkpoint::open(folder);
  const int64_t tokens = state.range(0);
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < tokens; ++i) ids.push_back(static_cast<int32_t>(i * 37 % 320));
  for (auto _ : state) {
    benchmark::DoNotOptimize(aggregate_gradients(checkpoint, {ids}, [](auto&&...) {}));
  }
  state.counters["GFLOP/s"] = benchmark::Counter(gradient_gflop(checkpoint.config(), tokens),
                                                 benchmark::Counter::kIsIterationInvariantRate);
  std::filesystem::remove_all(folder);
}

BENCHMARK_CAPTURE(BM_AggregateGradients, smollm2,
                  {.hidden_size = 576,
                   .intermediate_size = 1536,
                   .num_attention_heads = 9,
                   .num_key_value_heads = 3,
                   .max_position_embeddings = 2048})
    ->Arg(512)
    ->Arg(2048)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(BM_AggregateGradients, llama_7b,
                  {.hidden_size = 4096,
                   .intermediate_size = 11008,
                   .num_hidden_layers = 1,
                   .num_attention_heads = 32,
                   .num_key_value_heads = 32,
                   .max_position_embeddings = 2048})
    ->Arg(512)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace assay
