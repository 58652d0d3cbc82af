// A study whose variants cache keys and values in few bits, through the program itself, on a tiny
// random model.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "command.h"
#include "io/jsonl.h"
#include "model/tiny_model.h"
#include "study_process.h"

namespace assay {
namespace {

class KvCacheStudy : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::temp_directory_path() / "assay-kv-cache-XXXXXX";
    root_ = ::mkdtemp(name.data());
    write_tiny_model(root_ / "model");
  }
  void TearDown() override { fs::remove_all(root_); }

  Json results(const std::string& arm) const {
    const fs::path file = root_ / "out" / arm / ("results_" + arm + ".json");
    return parse_json(text_of(file), file.string());
  }

  // Log-likelihoods of all choices of all items.
  std::vector<double> answers(const std::string& arm) const {
    std::vector<double> all;
    for (const Json& line :
         read_jsonl(root_ / "out" / arm / ("samples_stereoqa_" + arm + ".jsonl"))) {
      for (const Json& score : line["x_assay"]["scores"]) all.push_back(score[0].get<double>());
    }
    return all;
  }

  // Root mean square over choices, nats.
  double distance(const std::string& a, const std::string& b) const {
    const auto left = answers(a), right = answers(b);
    EXPECT_EQ(left.size(), 96u);
    EXPECT_EQ(right.size(), 96u);
    double squares = 0;
    for (size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
      squares += std::pow(left[i] - right[i], 2);
    }
    return std::sqrt(squares / static_cast<double>(left.size()));
  }

  fs::path root_;
};

TEST_F(KvCacheStudy, ScoresThroughTheCacheAndSaysSo) {
  const std::string model = (root_ / "model").string(), folder = (root_ / "folder").string();
  const auto made =
      run_command("'" ASSAY_BINARY "' compress '" + model +
                  "' --method kv_cache --bits 4 --group_size 16 -o '" + folder + "' 2>&1");
  ASSERT_EQ(made.exit_code, 0) << made.text;
  std::ofstream(root_ / "study.yaml")
      << "study: cached\nmodel: " << model << "\nvariants:\n"
      << "  - {name: kv8, method: kv_cache, bits: 8, group_size: 16}\n"
      << "  - {name: kv4, method: kv_cache, bits: 4, group_size: 16}\n"
      << "  - {name: kv2, method: kv_cache, bits: 2, group_size: 16}\n"
      << "  - {name: beside, method: dense, kv_bits: 4, kv_group_size: 16}\n"
      << "  - {name: uneven, method: kv_cache, bits: 4, group_size: 12}\n"
      << "  - {name: rtn, method: rtn, bits: 4, group_size: 64}\n"
      << "  - {name: rtn-kv4, method: rtn, bits: 4, group_size: 64, kv_bits: 4, kv_group_size: "
         "16}\n"
      << "  - {name: elsewhere, path: " << folder << "}\n"
      << "tasks: [{task: stereoqa, limit: 32}]\noutput: unused\n";
  const fs::path log = root_ / "log";
  ASSERT_EQ(wait_for(start(root_ / "study.yaml", root_ / "out", log)), 0) << text_of(log);

  const double of_8 = distance("base", "kv8"), of_4 = distance("base", "kv4");
  EXPECT_GT(of_8, 0);
  EXPECT_GT(of_4, 4 * of_8);  // steps are 17 times as wide
  EXPECT_GT(distance("base", "kv2"), 2 * of_4);
  EXPECT_GT(distance("rtn", "rtn-kv4"), 0);
  // One cache, asked for in three ways.
  EXPECT_EQ(distance("kv4", "beside"), 0);
  EXPECT_EQ(distance("kv4", "elsewhere"), 0);

  const Json cache{{"bits", 4}, {"group_size", 16}, {"sym", false}};
  const Json elsewhere = results("elsewhere")["x_assay"], rtn = results("rtn-kv4")["x_assay"];
  EXPECT_EQ(elsewhere["weights"]["kv_cache"], cache);
  EXPECT_EQ(elsewhere["variant"]["settings"]["kv_cache"], cache);
  EXPECT_EQ(rtn["weights"]["method"]["kv_bits"], 4);
  EXPECT_EQ(rtn["variant"]["settings"]["kv_bits"], 4);
  EXPECT_FALSE(results("base")["x_assay"]["weights"].contains("kv_cache"));
  EXPECT_EQ(results("uneven")["x_assay"]["variant"]["notes"],
            Json{"KV cache: groups of 12 leave one of 4 at the end of each head"});
}

// The base is a checkpoint that asks for a cache: it is scored through it, and so is what is made
// of it.
TEST_F(KvCacheStudy, OfABaseThatCachesInFewBits) {
  const std::string model = (root_ / "model").string(), folder = (root_ / "folder").string();
  ASSERT_EQ(run_command("'" ASSAY_BINARY "' compress '" + model +
                        "' --method kv_cache --bits 4 --group_size 16 -o '" + folder + "' 2>&1")
                .exit_code,
            0);
  std::ofstream(root_ / "study.yaml") << "study: cached\nmodel: " << folder << "\nvariants:\n"
                                      << "  - {name: same, method: dense}\n"
                                      << "  - {name: float32, method: dense, kv_bits: 16}\n"
                                      << "tasks: [{task: stereoqa, limit: 32}]\noutput: unused\n";
  const fs::path log = root_ / "log";
  ASSERT_EQ(wait_for(start(root_ / "study.yaml", root_ / "out", log)), 0) << text_of(log);
  EXPECT_EQ(distance("base", "same"), 0);
  EXPECT_GT(distance("base", "float32"), 0);
  EXPECT_EQ(results("base")["x_assay"]["weights"]["kv_cache"]["bits"], 4);
  EXPECT_EQ(results("base")["x_assay"]["variant"]["settings"]["kv_cache"]["bits"], 4);
}

}  // namespace
}  // namespace assay
