#include "base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <functional>

#include "base/error.h"
#include "base/hash.h"
#include "base/mapped_file.h"

namespace assay {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::filesystem::path fresh_folder() {
  std::string name = ::testing::TempDir() + "assay_file_XXXXXX";
  return ::mkdtemp(name.data());
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind, ErrorKind::kBadInput);
    return e.what();
  }
  return "";
}

TEST(File, WritesReadsAndReplaces) {
  const auto path = fresh_folder() / "a.txt";
  const std::string bytes("x\0\r\ny", 5);
  write_file_atomic(path, bytes);
  EXPECT_EQ(read_file(path), bytes);
  write_file_atomic(path, "");
  EXPECT_EQ(read_file(path), "");
  const auto entries = std::filesystem::directory_iterator(path.parent_path());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);  // no temporary file is left
}

TEST(File, NewFilesFollowTheUmask) {
  const auto path = fresh_folder() / "a.txt";
  const mode_t before = ::umask(0027);
  write_file_atomic(path, "x");
  ::umask(before);
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST(File, WithoutCommitTheOldFileStaysAndNothingIsLeftBehind) {
  const auto folder = fresh_folder();
  write_file_atomic(folder / "a", "old");
  {
    AtomicFile file(folder / "a");
    file.write("new");
  }
  EXPECT_EQ(read_file(folder / "a"), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
}

TEST(File, PiecesMayComeInAnyOrder) {
  const auto path = fresh_folder() / "a";
  const auto bytes = [](std::string_view text) { return std::as_bytes(std::span(text)); };
  AtomicFile file(path);
  file.reserve(6);
  file.write_at(3, bytes("def"));
  file.write_at(0, bytes("abc"));
  file.commit();
  EXPECT_EQ(read_file(path), "abcdef");
}

TEST(File, ErrorsNameTheFile) {
  const auto folder = fresh_folder();
  EXPECT_THAT(message_of([&] { read_file(folder / "gone"); }),
              AllOf(HasSubstr("gone"), HasSubstr("No such file")));
  EXPECT_THAT(message_of([&] { read_file(folder); }), HasSubstr("is a folder"));
  EXPECT_THAT(message_of([&] { write_file_atomic(folder / "no" / "b.txt", "x"); }),
              AllOf(HasSubstr("b.txt"), HasSubstr("No such file")));
  EXPECT_THAT(message_of([&] { MappedFile::open(folder); }), HasSubstr("not a regular file"));
  EXPECT_THAT(message_of([&] { MappedFile::open(folder / "gone"); }), HasSubstr("gone"));
}

// Ends the process: prints the error of a write that runs into the limit on file size, which fails
// as a full disk does.
[[noreturn]] void write_beyond_the_limit(const std::filesystem::path& folder) {
  const rlimit limit = {4096, 4096};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  ::signal(SIGXFSZ, SIG_IGN);
  const auto write = [&] { write_file_atomic(folder / "big", std::string(100000, 'x')); };
  std::fputs(message_of(write).c_str(), stderr);
  ::_exit(std::filesystem::is_empty(folder) ? 0 : 1);
}

TEST(File, AFullDiskIsOneClearErrorAndLeavesNothing) {
  const auto folder = fresh_folder();
  EXPECT_EXIT(write_beyond_the_limit(folder), ::testing::ExitedWithCode(0),
              "big: cannot write: File too large");
}

TEST(MappedFile, OutlivesTheNameAndMapsEmptyFiles) {
  const auto folder = fresh_folder();
  write_file_atomic(folder / "a", "abc");
  const auto mapped = MappedFile::open(folder / "a");
  std::filesystem::remove(folder / "a");
  ASSERT_EQ(mapped->bytes().size(), 3u);
  EXPECT_EQ(static_cast<char>(mapped->bytes()[2]), 'c');
  write_file_atomic(folder / "empty", "");
  EXPECT_THAT(MappedFile::open(folder / "empty")->bytes(), IsEmpty());
}

TEST(MappedFile, NoticesThatItWasWrittenTo) {
  const auto file = fresh_folder() / "a";
  write_file_atomic(file, "abc");
  const auto mapped = MappedFile::open(file);
  mapped->require_unchanged();
  write_file_atomic(file, "abcd");  // another file under this name
  mapped->require_unchanged();
  const auto second = MappedFile::open(file);
  std::filesystem::resize_file(file, 2);
  EXPECT_THAT(message_of([&] { second->require_unchanged(); }),
              HasSubstr("was changed while it was read"));
}

TEST(MappedFile, KnowsItsAddresses) {
  const auto file = fresh_folder() / "a";
  write_file_atomic(file, "abc");
  const std::byte* inside = nullptr;
  {
    const auto mapped = MappedFile::open(file);
    inside = mapped->bytes().data() + 2;
    EXPECT_STREQ(path_of_mapping(inside), file.c_str());
    EXPECT_EQ(path_of_mapping(inside + 1), nullptr);
  }
  EXPECT_EQ(path_of_mapping(inside), nullptr);
}

// FIPS 180-4 examples: "abc", the empty message, and 10^6 times 'a'.
TEST(Sha256, MatchesThePublishedExamples) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 million;
  for (int i = 0; i < 1000; ++i) million.update(std::string(1000, 'a'));
  EXPECT_EQ(million.hex(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  const auto path = fresh_folder() / "abc";
  write_file_atomic(path, "abc");
  EXPECT_EQ(sha256_hex_of_file(path), sha256_hex("abc"));
}

}  // namespace
}  // namespace assay
