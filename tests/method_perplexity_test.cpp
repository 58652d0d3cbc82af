// Perplexity of SmolLM2 compressed by assay beside that of SmolLM2 compressed by the authors' own
// code from the same ids (tests/golden/make_method_perplexity.py; docs/methods/agreement.md).

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "calibration/gradient_store.h"
#include "calibration/hidden_states.h"
#include "compress/compress_linear.h"
#include "compress/methods.h"
#include "compress/pipeline.h"
#include "compress/statistics.h"
#include "infer/score.h"
#include "model/block.h"
#include "model/linear_product.h"
#include "name_of_row.h"

namespace assay {
namespace {

using Sequences = std::vector<std::vector<int32_t>>;
using Tensors = std::map<std::string, at::Tensor>;

constexpr double kTolerance = 0.005;  // of the authors' perplexity
constexpr double kDeviations = 3;     // of a difference of means, where rounding is carried

// What a program gives: one figure where rounding decides nothing, else two or more of runs that
// are the same but for float32's rounding, which is carried from block to block.
using Figures = std::vector<double>;

Figures authors_of(const Json& row) {
  Figures figures{row["perplexity"].get<double>()};
  if (row.contains("again")) {
    for (const auto& [how, figure] : row["again"].items()) figures.push_back(figure.get<double>());
  }
  return figures;
}

double mean(const Figures& figures) {
  return std::accumulate(figures.begin(), figures.end(), 0.0) / static_cast<double>(figures.size());
}

double deviation(const Figures& figures) {
  if (figures.size() == 1) return 0;
  double squares = 0;
  for (const double figure : figures) squares += std::pow(figure - mean(figures), 2);
  return std::sqrt(squares / static_cast<double>(figures.size() - 1));
}

// How far apart the means of both may be. The deviation of one run is the authors', so that a
// program of ours which carried more would not allow itself more.
double allowed(const Figures& authors, const Figures& ours) {
  const double shares =
      1 / static_cast<double>(authors.size()) + 1 / static_cast<double>(ours.size());
  return kTolerance * mean(authors) + kDeviations * deviation(authors) * std::sqrt(shares);
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
CausalLM model_of(const ModelConfig& config, Tensors tensors, const Json& provenance) {
  const auto int8 = int8_product(provenance);
  const auto take = [&](const std::string& name) { return tensors.extract(name).mapped(); };
  CausalLM model;
  model.config = config;
  model.embedding = take("model.embed_tokens.weight");
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
  model.lm_head = Linear(model.embedding.tokens);
  return model;
}

Tensors compressed(const Checkpoint& checkpoint, const MethodConfig& config,
                   const CalibrationSet* given, Json& provenance) {
  Tensors tensors;
  const auto keep = [&](const std::string& name, const at::Tensor& tensor) {
    tensors[name] = tensor;
  };
  const auto report = compress(checkpoint, config, given, keep, {});
  provenance = compression_provenance(checkpoint, config, given, {}, report);
  return tensors;
}

// Every linear, of each block as if all blocks before it were dense: no rounding is carried on.
Tensors compressed_block_by_block(const Checkpoint& checkpoint, const MethodConfig& config,
                                  const CalibrationSet& given) {
  Tensors tensors;
  for (const TensorRecord& record : checkpoint.tensors()) {
    tensors[record.name] = checkpoint.tensor(record.name);
  }
  std::optional<GradientStore> gradients;
  if (needs_of(config).gradients)
    gradients.emplace(checkpoint, given.sequences, std::get<GblmConfig>(config).norm);
  auto batches = embed_sequences(tensors.at("model.embed_tokens.weight"), checkpoint.config(),
                                 given.sequences, CompressOptions{}.batch_tokens);
  for (int64_t layer = 0; layer < checkpoint.config().num_hidden_layers; ++layer) {
    const Block block = load_block(checkpoint, layer);
    auto statistics = gather_statistics(block, checkpoint.config(), batches, block_linear_names(),
                                        wanted_statistics(config));
    for (const std::string_view linear : block_linear_names()) {
      const std::string name = linear_weight_name(layer, linear);
      at::Tensor& weight = tensors.at(name);
      if (gradients) {
        statistics.at(linear).gradient = gradients->gradient(layer, linear);
        statistics.at(linear).num_samples = gradients->num_samples();
      }
      weight = compress_linear(config, {name, weight, statistics.at(linear)}).weight;
    }
    pass_through_(block, checkpoint.config(), batches);
  }
  return tensors;
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

CalibrationSet reversed(CalibrationSet calibration) {
  std::ranges::reverse(calibration.sequences);
  calibration.ids_hash = hash_of(calibration.sequences);
  return calibration;
}

double perplexity_of(const Checkpoint& checkpoint, const Json& row,
                     const CalibrationSet& calibration, const Sequences& windows) {
  const auto config = method_config(row["method"]);
  const CalibrationSet* given = needs_of(config).calibration() ? &calibration : nullptr;
  Json provenance;
  Tensors tensors = row.value("block_by_block", false)
                        ? compressed_block_by_block(checkpoint, config, calibration)
                        : compressed(checkpoint, config, given, provenance);
  return perplexity(model_of(checkpoint.config(), std::move(tensors), provenance), windows);
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
  const Figures authors = authors_of(GetParam());
  Figures ours{perplexity_of(checkpoint, GetParam(), calibration, windows)};
  if (authors.size() > 1) {
    ours.push_back(perplexity_of(checkpoint, GetParam(), reversed(calibration), windows));
  }
  std::cout << fmt::format(
      "{}: authors {:.4f} (deviation {:.4f}), assay {:.4f}, difference {:.4f} % of {:.4f} %\n",
      GetParam()["name"].get<std::string>(), mean(authors), deviation(authors),
      fmt::join(ours, ", "), 100 * std::abs(mean(ours) / mean(authors) - 1),
      100 * allowed(authors, ours) / mean(authors));
  EXPECT_LE(std::abs(mean(ours) - mean(authors)), allowed(authors, ours));
}

INSTANTIATE_TEST_SUITE_P(Rows, MethodPerplexity, testing::ValuesIn(golden_rows()), name_of_row);

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
