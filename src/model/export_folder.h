#pragma once
// A folder that appears under its name when it is complete, or not at all.

#include <filesystem>

#include "base/json.h"

namespace assay {

// What to do with a target folder that is not empty.
enum class ExistingFolder { kRefuse, kReplace };

// Grows under a temporary name beside its target. Without commit() the destructor removes it.
class ExportFolder {
 public:
  // Error(kBadInput): a target that is not empty under kRefuse, or one that under kReplace is no
  // checkpoint (no config.json): such a folder is never removed.
  ExportFolder(const std::filesystem::path& target, ExistingFolder existing);
  ExportFolder(const ExportFolder&) = delete;
  ExportFolder& operator=(const ExportFolder&) = delete;
  ~ExportFolder();

  const std::filesystem::path& path() const { return temporary_; }  // where files go
  void write_json(const char* name, const Json& json) const;
  void commit();

 private:
  std::filesystem::path target_, temporary_;
};

}  // namespace assay
