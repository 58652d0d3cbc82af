#include "base/scratch_memory.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

TEST(ScratchMemory, HoldsItsBytesInMemoryAndInAFile) {
  for (const bool in_file : {false, true}) {
    const ScratchMemory scratch(10000, {.in_file = in_file});
    EXPECT_EQ(scratch.is_file(), in_file);
    ASSERT_EQ(scratch.bytes().size(), 10000u);
    EXPECT_TRUE(
        std::ranges::all_of(scratch.bytes(), [](std::byte b) { return b == std::byte{0}; }));
    scratch.bytes()[9999] = std::byte{7};
    EXPECT_EQ(scratch.bytes()[9999], std::byte{7});
  }
  EXPECT_TRUE(ScratchMemory(0, {.in_file = true}).bytes().empty());
}

constexpr size_t kPage = 4096;

// Pages of these bytes that are in the process's memory.
int64_t resident_pages(std::span<const std::byte> bytes) {
  std::vector<uint64_t> entries(bytes.size() / kPage);
  const size_t size = entries.size() * sizeof(uint64_t);
  const auto first = reinterpret_cast<uintptr_t>(bytes.data()) / kPage;
  const int fd = ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  const auto got = ::pread(fd, entries.data(), size, static_cast<off_t>(first * sizeof(uint64_t)));
  ::close(fd);
  if (got != static_cast<ssize_t>(size)) return -1;
  return std::ranges::count_if(entries, [](uint64_t entry) { return entry >> 63 == 1; });
}

TEST(ScratchMemory, WhatIsLetGoLeavesMemoryAndComesBack) {
  for (const bool in_file : {false, true}) {
    const ScratchMemory scratch(64 * kPage, {.in_file = in_file});
    std::ranges::fill(scratch.bytes(), std::byte{5});
    EXPECT_EQ(resident_pages(scratch.bytes()), 64);
    scratch.let_go(scratch.bytes().subspan(100, 10 * kPage));  // begins and ends inside a page
    EXPECT_EQ(resident_pages(scratch.bytes()), in_file ? 53 : 64);
    EXPECT_TRUE(
        std::ranges::all_of(scratch.bytes(), [](std::byte b) { return b == std::byte{5}; }));
    scratch.let_go({});
  }
}

TEST(ScratchMemory, LeavesNoFileBehind) {
  const auto folder = fs::temp_directory_path() / ("assay_scratch_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  {
    const ScratchMemory scratch(4096, {.in_file = true, .folder = folder});
    EXPECT_TRUE(scratch.is_file());
    EXPECT_TRUE(fs::is_empty(folder));
  }
  fs::remove_all(folder);
}

TEST(ScratchMemory, SaysWhatDoesNotFit) {
  const auto error_of = [](uint64_t bytes, const fs::path& folder) -> std::string {
    try {
      const ScratchMemory scratch(bytes, {.in_file = true, .folder = folder});
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
