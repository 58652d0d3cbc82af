// Opening and decoding the real model, against copying as many bytes as come out.

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include <cstring>
#include <filesystem>
#include <vector>

#include "data/locations.h"
#include "model/catalogue.h"
#include "model/checkpoint.h"

namespace assay {
namespace {

std::filesystem::path model_path() { return cache_folder() / catalogue_models()[0].file; }

void BM_OpenSmolLM2(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(Checkpoint::open(model_path()));
}
BENCHMARK(BM_OpenSmolLM2)->UseRealTime()->Unit(benchmark::kMillisecond);

// tensor_as_stored: decoding alone; tensor: with the look for NaN and infinity.
template <at::Tensor (Checkpoint::*get)(const std::string&) const>
void BM_DecodeSmolLM2(benchmark::State& state) {
  const auto checkpoint = Checkpoint::open(model_path());
  int64_t bytes = 0;
  for (auto _ : state) {
    for (const auto& record : checkpoint.tensors()) {
      const auto tensor = (checkpoint.*get)(record.name);
      bytes += static_cast<int64_t>(tensor.nbytes());
      benchmark::DoNotOptimize(tensor.const_data_ptr());
    }
  }
  state.SetBytesProcessed(bytes);
}
BENCHMARK(BM_DecodeSmolLM2<&Checkpoint::tensor_as_stored>)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(BM_DecodeSmolLM2<&Checkpoint::tensor>)->UseRealTime()->Unit(benchmark::kMillisecond);

// The bound: fresh memory of the same sizes, filled by memcpy from one warm tensor.
void BM_CopyAsManyBytes(benchmark::State& state) {
  const auto checkpoint = Checkpoint::open(model_path());
  const auto largest = checkpoint.tensor("model.embed_tokens.weight");
  int64_t bytes = 0;
  for (auto _ : state) {
    for (const auto& record : checkpoint.tensors()) {
      const auto copy = at::empty(record.shape, at::kFloat);
      std::memcpy(copy.data_ptr(), largest.const_data_ptr(), copy.nbytes());
      bytes += static_cast<int64_t>(copy.nbytes());
      benchmark::DoNotOptimize(copy.const_data_ptr());
    }
  }
  state.SetBytesProcessed(bytes);
}
BENCHMARK(BM_CopyAsManyBytes)->UseRealTime()->Unit(benchmark::kMillisecond);

void BM_HashSmolLM2(benchmark::State& state) {
  const auto checkpoint = Checkpoint::open(model_path());
  for (auto _ : state) benchmark::DoNotOptimize(checkpoint.weights_hash());
}
BENCHMARK(BM_HashSmolLM2)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace assay
