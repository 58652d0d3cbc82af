// Two runs that lm-eval made and logged (tests/golden/make_lm_eval_runs.py): its own aggregates are
// what the items must add up to.
#include "run/lm_eval_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "base/file.h"
#include "run/compare_runs.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

fs::path golden(const std::string& arm) {
  return fs::path(ASSAY_SOURCE_DIR) / "tests/golden/lm_eval" / arm;
}

fs::path copy_of(const std::string& arm) {
  const fs::path folder =
      fs::temp_directory_path() / ("assay_lm_eval_" + std::to_string(::getpid())) / arm;
  fs::remove_all(folder);
  fs::create_directories(folder);
  fs::copy(golden(arm), folder);
  return folder;
}

const RecordedTask& task_of(const RecordedRun& run, const std::string& name) {
  const auto found = std::ranges::find(
      run.tasks, name, [](const RecordedTask& task) { return task.description.name; });
  require(found != run.tasks.end(), "no task ", name);
  return *found;
}

double value_of(const RecordedTask& task, size_t outcome) {
  std::vector<double> sums(2, 0.0);
  for (const AnsweredItem& item : task.items) {
    const auto& components = std::get<std::vector<double>>(item.contributions[outcome]);
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += components[i];
  }
  return task.outcomes[outcome].statistic(sums);
}

// Where lm-eval has an aggregate of this name, for the task or its group.
double expected_of(const Json& results, const std::string& task, std::string outcome) {
  if (outcome.find(',') == std::string::npos) outcome += ",none";
  const Json& of =
      results["results"].contains(task) ? results["results"][task] : results["groups"][task];
  return of.contains(outcome) ? of[outcome].get<double>() : NAN;
}

TEST(LmEvalRun, ItemsAddUpToLmEvalsOwnNumbers) {
  std::set<std::string> compared;
  for (const char* arm : {"base", "variant"}) {
    const RecordedRun run = read_recorded_run(golden(arm));
    const Json results = parse_json(read_file(run.file), "results");
    for (const RecordedTask& task : run.tasks) {
      for (size_t o = 0; o < task.outcomes.size(); ++o) {
        const std::string name(task.outcomes[o].name);
        const double expected = expected_of(results, task.description.name, name);
        if (std::isnan(expected)) continue;
        EXPECT_NEAR(value_of(task, o), expected, 1e-12 * std::abs(expected))
            << arm << " " << task.description.name << " " << name;
        compared.insert(task.description.name + " " + name);
      }
    }
  }
  EXPECT_THAT(compared, ElementsAre("general acc", "passages acc", "sums exact_match,first",
                                    "sums exact_match,last", "texts bits_per_byte",
                                    "texts byte_perplexity", "texts word_perplexity"));
}

TEST(LmEvalRun, ReadsItemsGroupsAndClusters) {
  const RecordedRun run = read_recorded_run(golden("base"));
  EXPECT_EQ(run.arm, "base");
  EXPECT_EQ(run.model.parameters, 134515008);
  EXPECT_THAT(run.reference.text, HasSubstr("as lm-eval 0.4.13 loaded it (torch.float32)"));
  ASSERT_EQ(run.tasks.size(), 4u);
  const RecordedTask& general = task_of(run, "general");
  ASSERT_EQ(general.items.size(), 12u);
  const AnsweredItem& item = general.items[1];
  EXPECT_EQ(item.id, "animals/1");
  EXPECT_THAT(item.groups, ElementsAre("animals"));
  EXPECT_EQ(item.cluster, item.id);
  EXPECT_EQ(item.context, "What does a dog do? It");
  EXPECT_THAT(item.choices, ElementsAre(" moos", " quacks", " barks"));
  EXPECT_EQ(item.target, 2);
  EXPECT_EQ(item.prediction, 2);
  EXPECT_NEAR(item.log_likelihoods[2], -10.8882474899292, 1e-12);
  EXPECT_EQ(general.outcomes[0].name, "acc");
  EXPECT_TRUE(general.outcomes[0].primary);
  EXPECT_FALSE(general.outcomes[1].primary);
  EXPECT_NEAR(general.outcomes[0].chance.value(), 1.0 / 3, 1e-12);
  const RecordedTask& passages = task_of(run, "passages");
  EXPECT_EQ(passages.items[0].cluster, passages.items[1].cluster);
  EXPECT_NE(passages.items[1].cluster, passages.items[2].cluster);
  const RecordedTask& sums = task_of(run, "sums");
  ASSERT_EQ(sums.items.size(), 6u);
  EXPECT_TRUE(sums.items[0].choices.empty());
  EXPECT_EQ(sums.outcomes[0].chance, 0.0);
  const RecordedTask& texts = task_of(run, "texts");
  EXPECT_EQ(texts.outcomes[0].scale, Scale::kRatio);
  EXPECT_EQ(texts.outcomes[0].direction, Direction::kLowerIsBetter);
}

TEST(LmEvalRun, IsComparedLikeAStudy) {
  const RecordedRun base = read_recorded_run(golden("base"));
  const Json summary =
      compare_runs(base, {{read_recorded_run(golden("variant")), Control::kNone}}, 0);
  bool seen = false;
  for (const Json& result : summary["results"]) {
    if (result["task"] != "general" || result["outcome"] != "acc") continue;
    seen = true;
    EXPECT_EQ(result["num_items"], 12);
    EXPECT_NEAR(result["base"]["value"].get<double>(), 2.0 / 3, 1e-12);
    EXPECT_EQ(result["groups"].size(), 2u);
    EXPECT_FALSE(result["flips"].is_null());
  }
  EXPECT_TRUE(seen);
}

TEST(LmEvalRun, RefusesWhatDoesNotBelongTogether) {
  const auto refusal = [](const auto& fn) -> std::string {
    try {
      fn();
    } catch (const Error& e) {
      return e.what();
    }
    return "accepted";
  };
  const RecordedRun base = read_recorded_run(golden("base"));
  const fs::path samples = "samples_sums_2026-01-01T00-00-00.jsonl";
  fs::path folder = copy_of("variant");
  std::string text = read_file(folder / samples);
  text.replace(text.find("1 + 1 ="), 7, "1 + 2 =");
  write_file_atomic(folder / samples, text);
  EXPECT_THAT(refusal([&] { require_comparable(base, read_recorded_run(folder)); }),
              HasSubstr("item 1 (sums/0) differs in its prompt"));
  fs::remove(folder / samples);
  EXPECT_THAT(refusal([&] { read_recorded_run(folder); }),
              HasSubstr("the samples of task sums are not beside it (" + samples.string() +
                        "); lm-eval writes them with --log_samples"));
  folder = copy_of("variant");
  text = read_file(folder / samples);
  text.replace(text.find("\"exact_match\": "), 15, "\"exact_mitch\": ");
  write_file_atomic(folder / samples, text);
  EXPECT_THAT(refusal([&] { read_recorded_run(folder); }), HasSubstr("'exact_match'"));
  const fs::path results = folder / "results_2026-01-01T00-00-00.json";
  write_file_atomic(results, "{\"results\": {}}");
  EXPECT_THAT(refusal([&] { read_recorded_run(folder); }),
              HasSubstr("neither assay's results nor lm-eval's"));
  write_file_atomic(results, R"({"results": {}, "configs": {}, "group_subtasks": {"g": [3]}})");
  EXPECT_THAT(refusal([&] { read_recorded_run(folder); }),
              HasSubstr("group_subtasks: 'g' holds 3"));
  // lm-eval keeps the files of a model in a folder of its own.
  EXPECT_EQ(read_recorded_run(copy_of("base").parent_path() / "base").arm, "base");
  fs::remove_all(copy_of("variant").parent_path());
}

}  // namespace
}  // namespace assay
