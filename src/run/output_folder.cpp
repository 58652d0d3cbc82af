#include "run/output_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "run/samples.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

fs::path made(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  require(!error, folder.string(), ": cannot create the folder: ", error.message());
  return folder;
}

}  // namespace

OutputFolder::OutputFolder(fs::path root) : root_(std::move(root)) {
  made(root_);
  const fs::path lock = root_ / ".lock";
  lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  require(lock_ >= 0, lock.string(), ": cannot open: ", std::strerror(errno));
  if (::flock(lock_, LOCK_EX | LOCK_NB) == 0) return;
  const int reason = errno;
  ::close(lock_);
  require(reason != EWOULDBLOCK, root_.string(), ": another run is writing to this folder");
  fail(ErrorKind::kBadInput, lock.string(), ": cannot lock: ", std::strerror(reason));
}

OutputFolder::~OutputFolder() { ::close(lock_); }

fs::path OutputFolder::journal_root() const { return made(root_ / "journal"); }

fs::path OutputFolder::variant(const std::string& arm) const { return made(root_ / arm); }

fs::path OutputFolder::checkpoint(const std::string& arm) const {
  return variant(arm) / "checkpoint";
}

fs::path OutputFolder::compression(const std::string& arm) const {
  return variant(arm) / "compression.json";
}

fs::path OutputFolder::samples(const std::string& arm, const std::string& task_label) const {
  return variant(arm) / ("samples_" + file_label(task_label) + "_" + arm + ".jsonl");
}

fs::path OutputFolder::results(const std::string& arm) const {
  return variant(arm) / ("results_" + arm + ".json");
}

fs::path OutputFolder::journal(const std::string& arm, const std::string& task_label) const {
  return made(root_ / "journal" / arm) / (file_label(task_label) + ".jsonl");
}

fs::path OutputFolder::finished(const std::string& arm, const std::string& task_label) const {
  return made(root_ / "journal" / arm) / (file_label(task_label) + ".finished.json");
}

}  // namespace assay
