#pragma once
// Memory for data that may be larger than the machine's: where its owner says so it is a temporary
// file that has no name and ends with the object.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace assay {

struct ScratchPlace {
  bool in_file = false;               // else in memory
  std::filesystem::path folder = {};  // of the file; empty = the system's for temporary files
};

class ScratchMemory {
 public:
  // `bytes` zero bytes, aligned to a page. The room of a file is taken at once, so that a full disk
  // is an error here and no SIGBUS later. Error(kBadInput) says what was asked for and what the
  // system answered.
  explicit ScratchMemory(uint64_t bytes, const ScratchPlace& place = {});
  ScratchMemory(const ScratchMemory&) = delete;
  ScratchMemory& operator=(const ScratchMemory&) = delete;
  ~ScratchMemory();

  std::span<std::byte> bytes() const { return {data_, size_}; }

  // These of the bytes are not needed for a while: those of a file leave the process's memory, to
  // come back when they are touched. Nothing where there is no file. The content stays.
  void let_go(std::span<const std::byte> part) const;
  bool is_file() const { return is_file_; }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  bool is_file_ = false;
};

}  // namespace assay
