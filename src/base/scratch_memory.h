#pragma once
// Memory for data that may be larger than the machine's: held in memory up to a limit, above it in
// a temporary file that has no name and ends with the object.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace assay {

class ScratchMemory {
 public:
  // `bytes` zero bytes, aligned to a page: in memory when bytes <= memory_limit, else in a file in
  // `folder` (empty = the system's folder for temporary files). The room of the file is taken at
  // once, so that a full disk is an error here and no SIGBUS later. Error(kBadInput) says what was
  // asked for and what the system answered.
  ScratchMemory(uint64_t bytes, uint64_t memory_limit, const std::filesystem::path& folder = {});
  ScratchMemory(const ScratchMemory&) = delete;
  ScratchMemory& operator=(const ScratchMemory&) = delete;
  ~ScratchMemory();

  std::span<std::byte> bytes() const { return {data_, size_}; }
  bool is_file() const { return is_file_; }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  bool is_file_ = false;
};

}  // namespace assay
