#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "base/error.h"

namespace assay {
namespace {

// A folder is opened without complaint by ifstream and fails on the first read; say so by name.
void require_regular(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  require(std::filesystem::exists(status), path.string(), ": ",
          error ? error.message() : std::strerror(ENOENT));
  require(!std::filesystem::is_directory(status), path.string(), ": is a folder, not a file");
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  require_regular(path);
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  require(file.is_open(), path.string(), ": ", std::strerror(errno));
  std::ostringstream content;
  content << file.rdbuf();
  // An empty file sets failbit on the output alone; badbit on the input is a read error.
  require(!file.bad(), path.string(), ": cannot read");
  return std::move(content).str();
}

void write_file_atomic(const std::filesystem::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

void sync_folder(const std::filesystem::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  require(fd >= 0, folder.string(), ": ", std::strerror(errno));
  // Some file systems cannot fsync a folder (EINVAL); the rename itself is done.
  const bool synced = ::fsync(fd) == 0 || errno == EINVAL;
  const int saved = errno;
  ::close(fd);
  require(synced, folder.string(), ": cannot sync: ", std::strerror(saved));
}

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  std::string name =
      (folder_of(path_) / ("." + path_.filename().string() + ".XXXXXX.tmp")).string();
  fd_ = ::mkostemps(name.data(), 4, O_CLOEXEC);
  temporary_ = name;
  if (fd_ < 0) fail_with_errno("cannot create");
  // mkostemps gives 0600; a result is as readable as any other new file.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::fchmod(fd_, 0666 & ~mask);
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::fail_with_errno(std::string_view doing) const {
  fail(ErrorKind::kBadInput, path_.string(), ": ", doing, ": ", std::strerror(errno));
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_with_errno("cannot write");
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void AtomicFile::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void AtomicFile::reserve(uint64_t size) {
  errno = ::posix_fallocate(fd_, 0, static_cast<off_t>(size));  // its result is the error
  if (size > 0 && errno != 0) fail_with_errno("cannot write");
}

void AtomicFile::write_at(uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_with_errno("cannot write");
    offset += static_cast<uint64_t>(written);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void AtomicFile::commit() {
  if (::fsync(fd_) != 0) fail_with_errno("cannot write");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_with_errno("cannot create");
  ::close(fd_);
  fd_ = -1;
  sync_folder(folder_of(path_));
}

}  // namespace assay
