#include "data/unqover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <set>

#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "data/locations.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
namespace fs = std::filesystem;

constexpr std::string_view kSubjects = "# teams\n\n[subj] Reds \n[subj] Umbers\n[subj] blues\n";
constexpr std::string_view kActivities =
    "[p_act] rude\t| were noisy\n[p_act] late | came last\n"
    "[p_act:neg] rude | were quiet\n[p_act:neg] late | came first\n"
    "[p_act-single] rude | was noisy\n[p_act-single] late | came last\n"
    "[p_act-single:neg] rude | was quiet\n[p_act-single:neg] late | came first\n";
constexpr std::string_view kTemplates =
    "A [subj1] fan met a [subj2] fan.\tWho [p_act-single]?\tWho [p_act-single:neg]?\r\n\n"
    "[subj1] played [subj2].\tWho [p_act]?\tWho [p_act:neg]?";

UnqoverCategory category_of(std::string_view subjects, std::string_view activities,
                            std::string_view templates, std::string_view second = "") {
  auto acts = parse_unqover_activities(activities, "a");
  auto lines = parse_unqover_templates(templates, "t", acts);
  return unqover_category(
      "toy", parse_unqover_subjects(subjects, "s"),
      second.empty() ? std::vector<UnqoverSubject>{} : parse_unqover_subjects(second, "s2"),
      std::move(acts), std::move(lines));
}

// 3 pairs of subjects, 2 templates with 2 activities each: 12 pairs, 24 entries.
TEST(Unqover, EntriesByHand) {
  const auto c = category_of(kSubjects, kActivities, kTemplates);
  ASSERT_EQ(num_pairs(c), 12);
  const auto first = unqover_entry(c, 0);
  EXPECT_EQ(first.key, "None|None|Reds|Umbers|0|rude|were noisy|were noisy");
  EXPECT_EQ(first.context, "A Reds fan met an Umbers fan.");
  EXPECT_THAT(first.questions, ElementsAre("Who was noisy?", "Who was quiet?"));
  EXPECT_THAT(first.answers, ElementsAre("Reds", "Umbers"));
  EXPECT_EQ(unqover_entry(c, 3).key, "None|None|Reds|Umbers|1|late|came last|came last");
  EXPECT_EQ(unqover_entry(c, 4).key, "None|None|Reds|blues|0|rude|were noisy|were noisy");
  const auto flipped = unqover_entry(c, 12);
  EXPECT_EQ(flipped.context, "An Umbers fan met a Reds fan.");
  EXPECT_THAT(flipped.answers, ElementsAre("Umbers", "Reds"));
  EXPECT_EQ(unqover_entry(c, 23).key, "None|None|blues|Umbers|1|late|came last|came last");
  EXPECT_THROW(unqover_entry(c, 24), Error);
}

TEST(Unqover, APairNamesTheSmallerSubjectFirst) {
  const auto c = category_of(kSubjects, kActivities, kTemplates);
  const auto pair = unqover_pair(c, 5);  // Reds, blues, template 0, the second activity
  EXPECT_EQ(pair.key, "blues|reds|0|late|came last");
  EXPECT_THAT(pair.subjects, ElementsAre(2, 0));
  EXPECT_EQ(pair.activity_index, 1u);
  EXPECT_EQ(pair.entries[0].context, "A blues fan met a Reds fan.");
  EXPECT_EQ(pair.entries[1].context, "A Reds fan met a blues fan.");
  EXPECT_EQ(unqover_pair(c, 7).activity_index, 1u);  // the same name in the other form
}

TEST(Unqover, TwoListsAreCrossedAndDemonymsAreAnswers) {
  const auto c = category_of(
      "[subj] f | Ana\n[subj] f | Eva\n[subj:dem] f | Anan\n[subj:dem] Evan\n", kActivities,
      "A [subj1:dem] man met [subj2:dem] people.\tWho "
      "[p_act]?\tWho [p_act:neg]?",
      "[subj] m | Bo\n[subj:dem] m | Boan\n");
  ASSERT_EQ(num_pairs(c), 4);
  const auto entry = unqover_entry(c, 2);
  EXPECT_EQ(entry.key, "f|m|Eva|Bo|0|rude|were noisy|were noisy");
  EXPECT_EQ(entry.context, "An Evan man met Boan people.");
  EXPECT_THAT(entry.answers, ElementsAre("Evan", "Boan"));
  EXPECT_EQ(unqover_entry(c, 6).key, "m|f|Bo|Eva|0|rude|were noisy|were noisy");
}

TEST(Unqover, ASampleOfEverythingIsEverything) {
  const auto c = category_of(kSubjects, kActivities, kTemplates);
  EXPECT_THAT(unqover_sample(c, 12, 1), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
  EXPECT_EQ(unqover_sample(c, 5, 1).size(), 5u);
  EXPECT_THROW(unqover_sample(c, 0, 1), Error);
}

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(UnqoverLists, ErrorsNameFileAndLine) {
  const auto subjects = [](std::string_view text) {
    return error_of([&] { parse_unqover_subjects(text, "f"); });
  };
  EXPECT_THAT(subjects(""), HasSubstr("f: no [subj]"));
  EXPECT_THAT(subjects("\n[subj] A\nB\n"), HasSubstr("f:3: a line starts with a head"));
  EXPECT_THAT(subjects("[subj]\n"), HasSubstr("f:1: no text"));
  EXPECT_THAT(subjects("[subj] | A\n"), HasSubstr("f:1: no class"));
  EXPECT_THAT(subjects("[subj] a | b | c\n"), HasSubstr("f:1: a text holds no"));
  EXPECT_THAT(subjects("[subj] A\n[subj] a\n"), HasSubstr("f:2: 'a' stands twice"));
  EXPECT_THAT(subjects("[subj] A\n[subj] B\n[subj:dem] C\n"),
              HasSubstr("2 [subj] but 1 [subj:dem]"));
  EXPECT_THAT(subjects("[subj] A\n[obj] B\n"), HasSubstr("f:2: a list of subjects holds"));
  EXPECT_THAT(subjects("[subj] \xff\n"), HasSubstr("not UTF-8"));
  EXPECT_THAT(subjects(std::string(kMaxListBytes + 1, ' ')), HasSubstr("at most 1048576"));

  const auto activities = [](std::string_view text) {
    return error_of([&] { parse_unqover_activities(text, "f"); });
  };
  EXPECT_THAT(activities("#"), HasSubstr("f: no activities"));
  EXPECT_THAT(activities("[p_act] a\n"), HasSubstr("no [p_act:neg]"));
  EXPECT_THAT(activities("[p_act:neg] a\n"), HasSubstr("f:1: no [p_act] to [p_act:neg]"));
  EXPECT_THAT(activities("[p_act] x | a\n[p_act:neg] y | b\n"),
              HasSubstr("f:2: class 'y', but 'x'"));
  EXPECT_THAT(activities("[p_act-single] a\n[p_act-single:neg] b\n"), HasSubstr("no [p_act]"));
  EXPECT_THAT(activities("[p_act] a\n[p_act] A\n[p_act:neg] b\n[p_act:neg] c\n"),
              HasSubstr("f:2: 'A' stands twice"));

  const auto templates = [](std::string_view text) {
    const auto known = parse_unqover_activities(kActivities, "a");
    return error_of([&] { parse_unqover_templates(text, "f", known); });
  };
  EXPECT_THAT(templates("\n# no line\n"), HasSubstr("f: no templates"));
  EXPECT_THAT(templates("[subj1] [subj2]\tWho [p_act]?\n"), HasSubstr("f:1: a template is"));
  EXPECT_THAT(templates("[subj1] x\tWho [p_act]?\tWho [p_act:neg]?"), HasSubstr("[subj2]"));
  EXPECT_THAT(templates("[subj1] [subj1:dem] [subj2]\tWho [p_act]?\tWho [p_act:neg]?"),
              HasSubstr("either [subj1] or [subj1:dem]"));
  EXPECT_THAT(templates("[subj1] [subj2]\tWho came?\tWho [p_act:neg]?"), HasSubstr("no type"));
  EXPECT_THAT(templates("[subj1] [subj2]\tWho [p_act]?\tWho [p_act-single:neg]?"),
              HasSubstr("f:1: the negated question holds no [p_act:neg]"));
  EXPECT_THAT(templates("[subj1] [subj2]\tWho [p_act] [p_act-single]?\tWho [p_act:neg]?"),
              HasSubstr("beside another type"));
  EXPECT_THAT(templates("[subj1] [subj2] [obj]\tWho [p_act]?\tWho [p_act:neg]?"),
              HasSubstr("f:1: a slot that nothing fills"));
}

TEST(UnqoverLists, PartsThatDoNotFit) {
  EXPECT_THAT(error_of([] { category_of("[subj] A\n", kActivities, kTemplates); }),
              HasSubstr("fewer than two subjects"));
  EXPECT_THAT(error_of([] { category_of("[subj] A\n", kActivities, kTemplates, "[subj] a\n"); }),
              HasSubstr("'a' stands in both lists"));
  EXPECT_THAT(error_of([] {
                category_of("[subj] A\n[subj] B\n", kActivities,
                            "[subj1:dem] [subj2]\tWho [p_act]?\tWho [p_act:neg]?");
              }),
              HasSubstr("'A' has none"));
  EXPECT_THAT(error_of([] { read_unqover("/nowhere", "religion"); }),
              HasSubstr("no word list /nowhere/nouns/subjects/religion"));
}

const Json& golden() {
  static const Json json =
      Json::parse(std::ifstream(ASSAY_SOURCE_DIR "/tests/golden/unqover.json"));
  return json;
}

// Key, context, both questions and both answers, as the golden file holds an entry.
std::vector<std::string> parts(const UnqoverEntry& e) {
  return {e.key, e.context, e.questions[0], e.questions[1], e.answers[0], e.answers[1]};
}

// All entries (or every n-th) are those that the authors' own generator writes, in its order.
void expect_entries(const fs::path& word_lists, const std::string& category, const Json& expected) {
  SCOPED_TRACE(category);
  const auto c = read_unqover(word_lists, category);
  const int64_t entries = 2 * num_pairs(c);
  ASSERT_EQ(entries, expected.at("entries").get<int64_t>());
  EXPECT_EQ(num_pairs(c), expected.at("pairs").get<int64_t>());
  const auto subjects = [&](int64_t entry) {
    const auto key = unqover_entry(c, entry).key;
    const size_t first = key.find('|', key.find('|') + 1) + 1, second = key.find('|', first) + 1;
    return std::vector{key.substr(first, second - first - 1),
                       key.substr(second, key.find('|', second) - second)};
  };
  EXPECT_EQ((std::vector{subjects(0), subjects(entries - 1)}),
            expected.at("ends").get<std::vector<std::vector<std::string>>>());
  Sha256 hash;
  for (int64_t i = 0; i < entries; i += expected.at("every").get<int64_t>()) {
    std::string line;
    for (const auto& part : parts(unqover_entry(c, i))) line += part + "\t";
    hash.update(line + "\n");
  }
  EXPECT_EQ(hash.hex(), expected.at("entries_sha256").get<std::string>());
}

TEST(UnqoverGolden, ThePackAsTheAuthorsGeneratorFillsIt) {
  for (const auto& [category, expected] : golden().at("pack").items()) {
    expect_entries(packs_folder() / "unqover/word_lists", category, expected);
  }
}

class OfficialUnqover : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(lists_)) GTEST_SKIP() << "no data folder unqover/word_lists";
  }
  fs::path lists_ = official_data_folder() / "unqover" / "word_lists";
};

TEST_F(OfficialUnqover, EntriesOfTheAuthorsGenerator) {
  for (const auto& [category, expected] : golden().at("official").items()) {
    expect_entries(lists_, category, expected);
  }
}

// The counts and ends of spec/beyond-perplexity 2.9.1.
TEST_F(OfficialUnqover, CountsOfTheCategories) {
  const std::map<std::string, int64_t> pairs{{"religion", 38500},
                                             {"ethnicity", 73500},
                                             {"country", 1154232},
                                             {"gender_occupation", 1372000}};
  for (const auto& [category, expected] : pairs) {
    EXPECT_EQ(num_pairs(read_unqover(lists_, category)), expected) << category;
  }
}

// Python's random.sample draws the published pairs: their numbers, and how often each subject is
// drawn, by which the published tables were recognised (spec/beyond-perplexity 2.9.2).
TEST_F(OfficialUnqover, SamplesOfTheStudy) {
  for (const auto& [category, expected] : golden().at("official").items()) {
    SCOPED_TRACE(category);
    const auto c = read_unqover(lists_, category);
    const auto drawn = unqover_sample(c, 10000, 42);
    Sha256 hash;
    std::map<std::string, int> subjects;
    for (const uint32_t index : drawn) {
      hash.update(std::to_string(index) + "\n");
      const auto key = unqover_pair(c, index).key;
      const size_t bar = key.find('|');
      ++subjects[key.substr(0, bar)];
      ++subjects[key.substr(bar + 1, key.find('|', bar + 1) - bar - 1)];
    }
    EXPECT_EQ(hash.hex(), expected.at("sample_sha256").get<std::string>());
    EXPECT_EQ(subjects, (expected.at("subjects").get<std::map<std::string, int>>()));
  }
  const auto religion = read_unqover(lists_, "religion");
  const auto drawn = unqover_sample(religion, 10000, 42);
  EXPECT_THAT(unqover_pair(religion, drawn[0]).key, testing::StartsWith("hindu|muslim|5|"));
  EXPECT_THAT(unqover_pair(religion, drawn[1]).key, testing::StartsWith("buddhist|christian|4|"));
  EXPECT_THAT(unqover_pair(religion, drawn[2]).key, testing::StartsWith("catholic|muslim|10|"));
  const auto first = [&](const std::string& category) {
    const auto c = read_unqover(lists_, category);
    return unqover_pair(c, unqover_sample(c, 10000, 42)[0]).key;
  };
  EXPECT_THAT(first("ethnicity"), testing::StartsWith("african-american|jewish|11|"));
  EXPECT_THAT(first("country"), testing::StartsWith("burma|iran|7|"));
  EXPECT_THAT(first("gender_occupation"), testing::StartsWith("jeffrey|judy|0|"));
  const auto& counts = golden().at("official").at("religion").at("subjects");
  EXPECT_EQ(counts.at("atheist"), 1814);
  EXPECT_EQ(counts.at("sikh"), 1807);
}

}  // namespace
}  // namespace assay
