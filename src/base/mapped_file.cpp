#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/pages.h"

namespace assay {
namespace {

struct Descriptor {
  explicit Descriptor(int number) : fd(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  int fd;
};

struct stat status_of(int fd, const std::filesystem::path& path) {
  struct stat status {};
  require(::fstat(fd, &status) == 0, path.string(), ": ", std::strerror(errno));
  return status;
}

}  // namespace

MappedFile::MappedFile(std::filesystem::path path, const std::byte* data, size_t size)
    : path_(std::move(path)), data_(data), size_(size) {}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::let_go(std::span<const std::byte> part) const { let_go_of_pages(part); }

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  require(file.fd >= 0, path.string(), ": ", std::strerror(errno));
  const auto status = status_of(file.fd, path);
  require(S_ISREG(status.st_mode), path.string(), ": not a regular file");
  const auto size = static_cast<size_t>(status.st_size);
  if (size == 0) return std::shared_ptr<const MappedFile>(new MappedFile(path, nullptr, 0));
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  require(data != MAP_FAILED, path.string(), ": cannot map: ", std::strerror(errno));
  std::shared_ptr<const MappedFile> mapped(
      new MappedFile(path, static_cast<const std::byte*>(data), size));
  require_intact(status_of(file.fd, path).st_size == status.st_size, path.string(),
                 ": size changed while the file was opened");
  return mapped;
}

}  // namespace assay
