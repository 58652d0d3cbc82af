#include "run/journal.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/file.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

class JournalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("journal_test_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    path_ = folder_ / "stereoqa.jsonl";
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path folder_, path_;
};

const ItemAnswers kAnswers{{.log_likelihood = -0.1, .num_tokens = 3, .is_greedy = true},
                           {.log_likelihood = -1e-300 / 3, .num_tokens = 1, .is_greedy = false}};

TEST_F(JournalTest, GivesBackWhatWasAppendedToTheBit) {
  { Journal(path_, "k").append({{4, kAnswers}, {2, {}}}); }
  const Journal reopened(path_, "k");
  ASSERT_EQ(reopened.answered().size(), 2u);
  const auto& answers = reopened.answered().at(4);
  EXPECT_EQ(answers[0].log_likelihood, -0.1);
  EXPECT_EQ(answers[1].log_likelihood, -1e-300 / 3);
  EXPECT_EQ(answers[0].num_tokens, 3);
  EXPECT_TRUE(answers[0].is_greedy);
}

TEST_F(JournalTest, CutsATornLastLineAtEveryByte) {
  { Journal(path_, "k").append({{0, kAnswers}}); }
  const auto whole_line = fs::file_size(path_);
  { Journal(path_, "k").append({{1, kAnswers}}); }
  const std::string text = read_file(path_);
  for (size_t size = 0; size < text.size(); ++size) {
    std::ofstream(path_, std::ios::trunc) << text.substr(0, size);
    Journal journal(path_, "k");
    EXPECT_EQ(journal.answered().size(), size < whole_line ? 0u : 1u) << size;
    journal.append({{1, kAnswers}});
    EXPECT_TRUE(Journal(path_, "k").answered().contains(1)) << size;
  }
}

TEST_F(JournalTest, StartsOverWhenSomethingElseIsAsked) {
  { Journal(path_, "k").append({{0, kAnswers}}); }
  EXPECT_TRUE(Journal(path_, "other").answered().empty());
  EXPECT_TRUE(Journal(path_, "k").answered().empty());
}

TEST_F(JournalTest, NamesTheDamagedLine) {
  { Journal(path_, "k").append({{0, kAnswers}}); }
  std::ofstream(path_, std::ios::app) << "{\"item\":1}\n";
  try {
    Journal journal(path_, "k");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()), path_.string() + ":3: not a line of a journal");
  }
}

}  // namespace
}  // namespace assay
