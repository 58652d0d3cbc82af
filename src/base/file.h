#pragma once
// Whole files in and out. A written file is either complete under its name or not there: the bytes
// go to a temporary file in the same folder, are fsynced, and the file is renamed.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace assay {

// The bytes of a file. Error(kBadInput) names the file: not there, a folder, unreadable.
std::string read_file(const std::filesystem::path& path);

// Replaces `path` with `content`, atomically. Error(kBadInput) names the file and what failed (disk
// full, no such folder, no permission); the old file is then untouched.
void write_file_atomic(const std::filesystem::path& path, std::string_view content);

// fsync of a folder, so that names created or renamed in it survive a crash of the machine.
void sync_folder(const std::filesystem::path& folder);

// The same for content that comes in pieces. Without commit() the destructor removes the temporary
// file.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);

  // For pieces that come in any order: takes the room for `size` bytes at once, so that a full disk
  // shows before the work is done, and writes anywhere within it.
  void reserve(uint64_t size);
  void write_at(uint64_t offset, std::span<const std::byte> bytes);

  void commit();  // fsync, rename, fsync of the folder; nothing can be written afterwards

 private:
  [[noreturn]] void fail_with_errno(std::string_view doing) const;

  std::filesystem::path path_, temporary_;
  int fd_ = -1;
};

}  // namespace assay
