#include "run/output_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <regex>
#include <utility>
#include <vector>

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

constexpr int kDepth = 2;  // of journal/<arm>/<file>, the deepest that a run writes

// What a killed run was writing: files of AtomicFile, and the folder of a checkpoint.
bool is_unfinished(const fs::directory_entry& entry) {
  static const std::regex file(R"(\..+\.[A-Za-z0-9]{6}\.tmp)");
  static const std::regex checkpoint(R"(\.checkpoint\.[A-Za-z0-9]{6})");
  const std::string name = entry.path().filename();
  std::error_code gone;
  return std::regex_match(name, entry.is_directory(gone) ? checkpoint : file);
}

void remove_unfinished(const fs::path& root) {
  std::error_code error;
  std::vector<fs::path> unfinished;
  for (fs::recursive_directory_iterator at(root, fs::directory_options::skip_permission_denied,
                                           error);
       !error && at != fs::end(at); at.increment(error)) {
    const bool remove = is_unfinished(*at);
    if (remove) unfinished.push_back(at->path());
    if (remove || at.depth() == kDepth) at.disable_recursion_pending();
  }
  require(!error, root.string(), ": cannot list the folder: ", error.message());
  for (const fs::path& path : unfinished) {
    fs::remove_all(path, error);
    require(!error, path.string(), ": cannot remove: ", error.message());
  }
}

// The open lock file of a folder that no other run holds.
int locked(const fs::path& root) {
  const fs::path lock = root / ".lock";
  const int file = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  require(file >= 0, lock.string(), ": cannot open: ", std::strerror(errno));
  if (::flock(file, LOCK_EX | LOCK_NB) == 0) return file;
  const int reason = errno;
  ::close(file);
  require(reason != EWOULDBLOCK, root.string(), ": another run is writing to this folder");
  fail(ErrorKind::kBadInput, lock.string(), ": cannot lock: ", std::strerror(reason));
}

}  // namespace

OutputFolder::OutputFolder(fs::path root) : root_(std::move(root)), lock_(locked(made(root_))) {
  try {
    remove_unfinished(root_);
  } catch (...) {
    ::close(lock_);
    throw;
  }
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

fs::path OutputFolder::inspection(const std::string& arm) const {
  return variant(arm) / "inspection.json";
}

fs::path OutputFolder::int8_modes(const std::string& arm) const {
  return variant(arm) / "int8_modes.json";
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
