// Perplexity of SmolLM2 compressed by assay beside that of SmolLM2 compressed by the authors' own
// code from the same ids (tests/golden/make_method_perplexity.py; docs/methods/agreement.md).

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "compress/methods.h"
#include "compress/pipeline.h"
#include "infer/score.h"
#include "model/block.h"
#include "model/linear_product.h"

namespace assay {
namespace {

using Sequences = std::vector<std::vector<int32_t>>;

constexpr double kTolerance = 0.005;  // of the authors' perplexity

// What the authors' program gives: one figure where rounding decides nothing, else two of runs that
// are the same but for float32's rounding, which it carries from block to block.
struct Authors {
  double mean = 0, deviation = 0;
};

Authors authors_of(const Json& row) {
  const double first = row["perplexity"].get<double>();
  if (!row.contains("again")) return {.mean = first};
  const double second = row["again"].get<double>();
  return {.mean = (first + second) / 2, .deviation = std::abs(first - second) / std::sqrt(2.0)};
}

Json golden_file(const std::string& name) {
  return parse_json(read_file(std::string(ASSAY_SOURCE_DIR "/tests/golden/") + name), name);
}

std::vector<Json> golden_rows() {
  return golden_file("method_perplexity.json")["rows"].get<std::vector<Json>>();
}

// The length of each sequence in 8 bytes, its ids in 4 each.
std::string hash_of(const Sequences& sequences) {
  Sha256 hash;
  for (const auto& ids : sequences) {
    const auto length = static_cast<int64_t>(ids.size());
    hash.update(std::as_bytes(std::span(&length, 1)));
    hash.update(std::as_bytes(std::span(ids)));
  }
  return hash.hex();
}

// The compressed model in memory, computed as its provenance says.
CausalLM model_of(const ModelConfig& config, std::map<std::string, at::Tensor> tensors,
                  const Json& provenance) {
  const auto int8 = int8_product(provenance);
  const auto take = [&](const std::string& name) { return tensors.extract(name).mapped(); };
  CausalLM model;
  model.config = config;
  model.embed_tokens = take("model.embed_tokens.weight");
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    Block& block = model.blocks.emplace_back();
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    block.input_layernorm = take(prefix + "input_layernorm.weight");
    block.post_attention_layernorm = take(prefix + "post_attention_layernorm.weight");
    for (const std::string_view linear : block_linear_names()) {
      const auto weight = take(linear_weight_name(layer, linear));
      linear_of(block, linear) = int8 ? Linear::llm_int8(weight, *int8) : Linear(weight);
    }
  }
  model.norm = take("model.norm.weight");
  model.lm_head = Linear(model.embed_tokens);
  return model;
}

// In one batch, so that columns of outliers are those of one call, as in the golden figures.
double perplexity(const CausalLM& model, const Sequences& windows) {
  std::vector<ScoreRequest> requests;
  for (const auto& ids : windows) {
    requests.push_back(
        {.context_ids = {ids.front()}, .continuation_ids = {ids.begin() + 1, ids.end()}});
  }
  double log_likelihood = 0;
  int64_t num_tokens = 0;
  for (const ScoreResult& result : score(model, requests, {})) {
    log_likelihood += result.log_likelihood;
    num_tokens += result.num_tokens;
  }
  return std::exp(-log_likelihood / static_cast<double>(num_tokens));
}

struct MethodPerplexity : testing::TestWithParam<Json> {
  static void SetUpTestSuite() {
    const Json ids = golden_file("method_perplexity_ids.json");
    calibration.sequences = ids["calibration"].get<Sequences>();
    calibration.ids_hash = hash_of(calibration.sequences);
    windows = ids["windows"].get<Sequences>();
  }
  static inline CalibrationSet calibration;
  static inline Sequences windows;
};

TEST_P(MethodPerplexity, IsTheAuthors) {
  std::filesystem::path path;
  try {
    path = resolve_model("smollm2-135m-instruct");
  } catch (const Error& e) {
    GTEST_SKIP() << e.what();
  }
  const auto checkpoint = Checkpoint::open(path);
  ASSERT_TRUE(checkpoint.config().tie_word_embeddings);
  const auto config = method_config(GetParam()["method"]);
  const CalibrationSet* given = needs_of(config).calibration() ? &calibration : nullptr;
  std::map<std::string, at::Tensor> tensors;
  const auto keep = [&](const std::string& name, const at::Tensor& tensor) {
    tensors[name] = tensor;
  };
  const auto report = compress(checkpoint, config, given, keep, {});
  const auto provenance = compression_provenance(checkpoint, config, given, {}, report);
  const double ours =
      perplexity(model_of(checkpoint.config(), std::move(tensors), provenance), windows);
  const Authors authors = authors_of(GetParam());
  std::cout << fmt::format(
      "{}: authors {:.4f} (deviation {:.4f}), assay {:.4f}, difference {:.4f} %\n",
      GetParam()["name"].get<std::string>(), authors.mean, authors.deviation, ours,
      100 * std::abs(ours / authors.mean - 1));
  EXPECT_LE(std::abs(ours - authors.mean), kTolerance * authors.mean + 3 * authors.deviation);
}

std::string test_name(const testing::TestParamInfo<Json>& row) {
  auto name = row.param["name"].get<std::string>();
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Rows, MethodPerplexity, testing::ValuesIn(golden_rows()), test_name);

TEST(MethodPerplexityGolden, HoldsEveryMethodAndTheseIds) {
  const Json golden = golden_file("method_perplexity.json");
  const Json ids = golden_file("method_perplexity_ids.json");
  EXPECT_EQ(golden["calibration_hash"], hash_of(ids["calibration"].get<Sequences>()));
  EXPECT_EQ(golden["windows_hash"], hash_of(ids["windows"].get<Sequences>()));
  std::set<std::string> seen;
  for (const Json& row : golden_rows()) seen.insert(row["method"]["method"].get<std::string>());
  for (const Method& method : methods()) {
    if (method.name == "permute") continue;   // a control of ours, without authors
    if (method.name == "kv_cache") continue;  // kv_cache_golden_test
    EXPECT_TRUE(seen.contains(std::string(method.name))) << method.name;
  }
}

}  // namespace
}  // namespace assay
