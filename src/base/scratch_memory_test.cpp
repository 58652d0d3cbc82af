#include "base/scratch_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "base/error.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

TEST(ScratchMemory, HoldsItsBytesInMemoryAndInAFile) {
  for (const uint64_t limit : {uint64_t{10000}, uint64_t{9999}}) {
    const ScratchMemory scratch(10000, limit);
    EXPECT_EQ(scratch.is_file(), limit < 10000);
    ASSERT_EQ(scratch.bytes().size(), 10000u);
    EXPECT_TRUE(
        std::ranges::all_of(scratch.bytes(), [](std::byte b) { return b == std::byte{0}; }));
    scratch.bytes()[9999] = std::byte{7};
    EXPECT_EQ(scratch.bytes()[9999], std::byte{7});
  }
  EXPECT_TRUE(ScratchMemory(0, 0).bytes().empty());
}

TEST(ScratchMemory, LeavesNoFileBehind) {
  const auto folder = fs::temp_directory_path() / ("assay_scratch_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  {
    const ScratchMemory scratch(4096, 0, folder);
    EXPECT_TRUE(scratch.is_file());
    EXPECT_TRUE(fs::is_empty(folder));
  }
  fs::remove_all(folder);
}

TEST(ScratchMemory, SaysWhatDoesNotFit) {
  const auto error_of = [](uint64_t bytes, const fs::path& folder) -> std::string {
    try {
      const ScratchMemory scratch(bytes, 0, folder);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_THAT(error_of(1, "/no/such/folder"), testing::HasSubstr("cannot make a temporary file"));
  EXPECT_THAT(error_of(uint64_t{1} << 60, {}),
              testing::HasSubstr("no room for 1152921504606846976"));
}

}  // namespace
}  // namespace assay
