#include "base/scratch_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/error.h"
#include "base/pages.h"

namespace assay {
namespace {

// A file without a name, `size` bytes of it taken. The caller closes the descriptor.
int unnamed_file(const std::filesystem::path& folder, size_t size) {
  std::string path =
      ((folder.empty() ? std::filesystem::temp_directory_path() : folder) / "assay-XXXXXX")
          .string();
  const int fd = ::mkostemp(path.data(), O_CLOEXEC);
  require(fd >= 0, path, ": cannot make a temporary file: ", std::strerror(errno));
  ::unlink(path.c_str());
  const int failed = ::posix_fallocate(fd, 0, static_cast<off_t>(size));  // gives the error itself
  if (failed != 0) {
    ::close(fd);
    fail(ErrorKind::kBadInput, path, ": no room for ", size,
         " bytes of temporary data: ", std::strerror(failed));
  }
  return fd;
}

}  // namespace

ScratchMemory::ScratchMemory(uint64_t bytes, const ScratchPlace& place)
    : size_(static_cast<size_t>(bytes)), is_file_(place.in_file && bytes > 0) {
  if (size_ == 0) return;
  const int fd = is_file_ ? unnamed_file(place.folder, size_) : -1;
  const int flags = is_file_ ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
  void* data = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, flags, fd, 0);
  const int error = errno;
  if (fd >= 0) ::close(fd);  // the mapping keeps the file
  require(data != MAP_FAILED, "cannot map ", bytes,
          " bytes of temporary data: ", std::strerror(error));
  data_ = static_cast<std::byte*>(data);
}

void ScratchMemory::let_go(std::span<const std::byte> part) const {
  if (is_file_) let_go_of_pages(part);
}

ScratchMemory::~ScratchMemory() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace assay
