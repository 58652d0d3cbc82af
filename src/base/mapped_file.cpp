#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
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

// What is mapped, where a signal handler may look: nothing there is freed or moved while its
// address is set.
struct Mapping {
  std::atomic<const std::byte*> data = nullptr;
  std::atomic<size_t> size = 0;
  std::atomic<const char*> path = nullptr;
};
std::array<Mapping, 4096> mappings;  // of more files the further ones are not known

void note_mapping(const std::byte* data, size_t size, const char* path) {
  for (Mapping& slot : mappings) {
    const std::byte* free = nullptr;
    if (!slot.data.compare_exchange_strong(free, data)) continue;
    slot.size = size;
    slot.path = path;
    return;
  }
}

void forget_mapping(const std::byte* data) {
  for (Mapping& slot : mappings) {
    if (slot.data != data) continue;
    slot.path = nullptr;
    slot.size = 0;
    slot.data = nullptr;
    return;
  }
}

}  // namespace

MappedFile::Version MappedFile::version_of(const struct stat& status) {
  return {status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec,
          status.st_mtim.tv_nsec};
}

MappedFile::MappedFile(std::filesystem::path path, const std::byte* data, size_t size,
                       Version version)
    : path_(std::move(path)), data_(data), size_(size), version_(version) {
  if (data_ != nullptr) note_mapping(data_, size_, path_.c_str());
}

MappedFile::~MappedFile() {
  if (data_ == nullptr) return;
  forget_mapping(data_);
  ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::require_unchanged() const {
  struct stat status {};
  if (::stat(path_.c_str(), &status) != 0) return;  // removed: the mapping keeps its bytes
  const Version now = version_of(status);
  const bool is_same_file = now.device == version_.device && now.inode == version_.inode;
  require(!is_same_file || now == version_, path_.string(), ": was changed while it was read");
}

const char* path_of_mapping(const void* address) noexcept {
  const auto* at = static_cast<const std::byte*>(address);
  for (const Mapping& slot : mappings) {
    const std::byte* data = slot.data;
    if (data != nullptr && at >= data && at < data + slot.size.load()) return slot.path;
  }
  return nullptr;
}

void MappedFile::let_go(std::span<const std::byte> part) const { let_go_of_pages(part); }

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  require(file.fd >= 0, path.string(), ": ", std::strerror(errno));
  const auto status = status_of(file.fd, path);
  require(S_ISREG(status.st_mode), path.string(), ": not a regular file");
  const auto size = static_cast<size_t>(status.st_size);
  const Version version = version_of(status);
  if (size == 0) {
    return std::shared_ptr<const MappedFile>(new MappedFile(path, nullptr, 0, version));
  }
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  require(data != MAP_FAILED, path.string(), ": cannot map: ", std::strerror(errno));
  std::shared_ptr<const MappedFile> mapped(
      new MappedFile(path, static_cast<const std::byte*>(data), size, version));
  require_intact(status_of(file.fd, path).st_size == status.st_size, path.string(),
                 ": size changed while the file was opened");
  return mapped;
}

}  // namespace assay
