#pragma once
// A file mapped into memory for reading, as an owner: the mapping ends with the object.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

struct stat;

namespace assay {

class MappedFile {
 public:
  // Maps a regular file (an empty one gives an empty span). The size is checked again once mapped,
  // since a file that shrinks meanwhile would end the process with SIGBUS. Error(kBadInput): not
  // there, not a regular file, unreadable.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  // These of the bytes are not needed for a while and leave the process's memory.
  void let_go(std::span<const std::byte> part) const;
  const std::filesystem::path& path() const { return path_; }

  // Error(kBadInput) where the file was written to since it was opened: what was read of it may be
  // of two versions. One that was replaced under its name is unchanged: the mapping is the old one.
  void require_unchanged() const;

 private:
  struct Version {
    uint64_t device = 0, inode = 0;
    int64_t size = 0, seconds = 0, nanoseconds = 0;
    bool operator==(const Version&) const = default;
  };
  static Version version_of(const struct stat& status);

  MappedFile(std::filesystem::path path, const std::byte* data, size_t size, Version version);

  std::filesystem::path path_;
  const std::byte* data_;
  size_t size_;
  Version version_;
};

// The path of the mapped file that this address is in, or nullptr; for signal handlers. A file that
// becomes shorter while it is read raises SIGBUS there, which no code around the read can catch.
const char* path_of_mapping(const void* address) noexcept;

}  // namespace assay
