#pragma once
// Models known by name: where set-up puts their files, and the hash by which these are recognised.

#include <filesystem>
#include <span>
#include <string_view>

namespace assay {

struct CatalogueModel {
  std::string_view name;
  std::string_view file;  // below the cache folder
  std::string_view sha256;
  std::string_view licence;
  std::string_view source;
  std::string_view script;  // brings it
};

std::span<const CatalogueModel> catalogue_models();

// The file of a catalogue model. Error(kBadInput) when it is not there, with what to do, or when
// its hash is another. The file is hashed once: that it was right is noted in the cache folder with
// its size and time of change.
std::filesystem::path catalogue_file(const CatalogueModel& model);

// The snapshot folder of a name ("HuggingFaceTB/SmolLM2-135M-Instruct") in the local Hugging Face
// cache: $HF_HUB_CACHE, $HF_HOME/hub or ~/.cache/huggingface/hub. Empty when it has none.
std::filesystem::path hugging_face_snapshot(std::string_view name);

}  // namespace assay
