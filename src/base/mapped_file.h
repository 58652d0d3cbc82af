#pragma once
// A file mapped into memory for reading, as an owner: the mapping ends with the object.

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

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

 private:
  MappedFile(std::filesystem::path path, const std::byte* data, size_t size);

  std::filesystem::path path_;
  const std::byte* data_;
  size_t size_;
};

}  // namespace assay
