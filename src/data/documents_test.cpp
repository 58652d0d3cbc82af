#include "data/documents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "data/locations.h"

namespace assay {
namespace {

using testing::ElementsAre;
namespace fs = std::filesystem;

// A file for the life of a test.
struct TemporaryFile {
  explicit TemporaryFile(std::string_view text)
      : path(fs::temp_directory_path() / ("assay_documents_" + std::to_string(getpid()))) {
    write_file_atomic(path, text);
  }
  ~TemporaryFile() { fs::remove(path); }
  fs::path path;
};

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Documents, RowsCountFromOneAndIncludeBothEnds) {
  EXPECT_EQ(parse_rows("1:20"), (std::pair<int64_t, int64_t>(1, 20)));
  EXPECT_EQ(parse_rows("7"), (std::pair<int64_t, int64_t>(7, 7)));
  EXPECT_EQ(parse_rows("501:").first, 501);
  for (const auto* text : {"", ":", "0:3", "3:1", "a", "1-3", "1:2:3", "-1"}) {
    EXPECT_THROW(parse_rows(text), Error) << text;
  }
}

TEST(Documents, ReadsAFieldOfTheRowsAskedFor) {
  const TemporaryFile file("{\"t\": \"a\"}\n{\"t\": \"b\"}\n{\"t\": 3}\n");
  EXPECT_THAT(read_documents({file.path, "t", parse_rows("1:2")}), ElementsAre("a", "b"));
  EXPECT_THAT(read_documents({file.path, "", {}}), ElementsAre(testing::StartsWith("{\"t\"")));
  EXPECT_THAT(error_of([&] {
                read_documents({file.path, "t", {}});
              }),
              testing::HasSubstr(":3: 't' must be a string"));
  EXPECT_THAT(error_of([&] {
                read_documents({file.path, "x", {}});
              }),
              testing::HasSubstr(":1: missing key 'x'"));
  EXPECT_THAT(error_of([&] {
                read_documents({file.path, "t", parse_rows("2:9")});
              }),
              testing::HasSubstr("row 9 is asked for, the file has 3"));
  EXPECT_THAT(error_of([&] {
                read_documents({file.path, "", parse_rows("1")});
              }),
              testing::HasSubstr("no field"));
}

TEST(Documents, WikitextRowsKeepTheirLineEndAndBlankLinesAreEmpty) {
  EXPECT_THAT(wikitext_rows(" \n = A = \n \n x y \n"), ElementsAre("", " = A = \n", "", " x y \n"));
  EXPECT_EQ(joined({"", " = A = \n", ""}, "\n\n"), "\n\n = A = \n\n\n");
}

// The hub's test split has 4358 rows.
TEST(Documents, WikitextTestSplitHasTheHubsRows) {
  const auto path = official_data_folder() / "wikitext-2-raw" / "wiki.test.raw";
  if (!fs::exists(path)) GTEST_SKIP() << "no " << path;
  EXPECT_EQ(wikitext_rows(read_file(path)).size(), 4358u);
}

}  // namespace
}  // namespace assay
