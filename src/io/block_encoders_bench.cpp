// MB of float32 a second into each type; a label "importance" where the type has a use for one.

#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "io/block_formats.h"

namespace assay {
namespace {

constexpr size_t kRows = 256, kLength = 4096;

void encode_into(benchmark::State& state, const std::string& type, bool has_importance) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 0.02f);
  std::vector<float> rows(kRows * kLength), importance(has_importance ? kLength : 0);
  for (float& value : rows) value = normal(random);
  for (float& value : importance) value = std::fabs(normal(random));
  const BlockFormat& format = *block_format_by_name(type);
  std::vector<std::byte> out(rows.size() / format.block_elements * format.block_bytes);
  for (auto _ : state) {
    encode_blocks(format, rows, kLength, importance, out);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(rows.size() * sizeof(float)));
}

const bool kRegistered = [] {
  for (const char* type : {"F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K",
                           "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "MXFP4", "NVFP4"}) {
    const std::string name(type);
    benchmark::RegisterBenchmark(name.c_str(), [name](auto& s) {
      encode_into(s, name, false);
    })->UseRealTime();
    const bool has_use = name.starts_with("Q4") || name.starts_with("Q5") || name.ends_with("_K") ||
                         name.starts_with("IQ");
    if (!has_use) continue;
    benchmark::RegisterBenchmark((name + "/importance").c_str(), [name](auto& s) {
      encode_into(s, name, true);
    })->UseRealTime();
  }
  return true;
}();

}  // namespace
}  // namespace assay
