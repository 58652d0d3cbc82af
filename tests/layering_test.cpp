// A folder of src/ includes only itself and folders above it in the list of src/README.md.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
const fs::path kSource = fs::path(ASSAY_SOURCE_DIR) / "src";

std::vector<std::string> folders_in_order() {
  std::ifstream readme(kSource / "README.md");
  std::vector<std::string> folders;
  const std::regex item(R"(^- (\w+): .*)");
  for (std::string line; std::getline(readme, line);) {
    if (std::smatch match; std::regex_match(line, match, item)) folders.push_back(match[1]);
  }
  return folders;
}

TEST(Layering, IncludesPointUp) {
  const auto folders = folders_in_order();
  ASSERT_GT(folders.size(), 10u);
  const auto rank = [&](const std::string& folder) {
    return std::ranges::find(folders, folder) - folders.begin();
  };
  const std::regex include(R"re(^#include "(\w+)/.*)re");
  int num_includes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(kSource)) {
    if (entry.path().extension() != ".h" && entry.path().extension() != ".cpp") continue;
    const std::string folder = fs::relative(entry.path(), kSource).begin()->string();
    ASSERT_LT(static_cast<size_t>(rank(folder)), folders.size())
        << folder << " is not in src/README.md";
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) {
      std::smatch match;
      if (!std::regex_match(line, match, include)) continue;
      ++num_includes;
      EXPECT_LE(rank(match[1]), rank(folder)) << entry.path() << " includes " << line;
    }
  }
  EXPECT_GT(num_includes, 10);
}

}  // namespace
