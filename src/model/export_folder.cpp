#include "model/export_folder.h"

#include <stdlib.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/file.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

void check_target(const fs::path& target, ExistingFolder existing) {
  if (!fs::exists(target)) return;
  require(fs::is_directory(target), target.string(), ": exists and is not a folder");
  if (fs::is_empty(target)) return;
  require(existing == ExistingFolder::kReplace, target.string(),
          ": the folder is not empty (--overwrite replaces a checkpoint)");
  require(fs::exists(target / "config.json"), target.string(),
          ": not empty and no checkpoint (no config.json), so it is not replaced");
}

// A new folder beside the target, so that the last step is a rename within one file system.
fs::path make_temporary(const fs::path& target) {
  auto parent = target.parent_path();
  if (parent.empty()) parent = ".";
  std::error_code error;
  fs::create_directories(parent, error);
  require(!error, parent.string(), ": cannot create: ", error.message());
  auto name = (parent / ("." + target.filename().string() + ".XXXXXX")).string();
  require(::mkdtemp(name.data()) != nullptr, target.string(),
          ": cannot create: ", std::strerror(errno));
  fs::permissions(name, fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec |
                            fs::perms::others_read | fs::perms::others_exec);
  return name;
}

void rename_or_fail(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  require(!error, to.string(), ": cannot create: ", error.message());
}

}  // namespace

ExportFolder::ExportFolder(const fs::path& target, ExistingFolder existing)
    // "out/" names the folder "out".
    : target_(target.has_filename() ? target : target.parent_path()) {
  check_target(target_, existing);
  temporary_ = make_temporary(target_);
}

ExportFolder::~ExportFolder() {
  if (temporary_.empty()) return;
  std::error_code ignored;  // what is left is a folder with a temporary name
  fs::remove_all(temporary_, ignored);
}

void ExportFolder::write_json(const char* name, const Json& json) const {
  write_file_atomic(temporary_ / name, json.dump(2) + "\n");
}

void ExportFolder::commit() {
  // rename() replaces an empty folder by itself; a full one steps aside first.
  const bool replaces = fs::exists(target_) && !fs::is_empty(target_);
  const fs::path old = temporary_.string() + ".old";
  if (replaces) rename_or_fail(target_, old);
  rename_or_fail(temporary_, target_);
  temporary_.clear();
  sync_folder(target_.has_parent_path() ? target_.parent_path() : ".");
  if (replaces) fs::remove_all(old);
}

}  // namespace assay
