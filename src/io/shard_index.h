#pragma once
// The index of a checkpoint in several files: model.safetensors.index.json,
// pytorch_model.bin.index.json.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

namespace assay {

// `weight_map` of an index: tensor name -> file name, which must be a plain name.
// Error(kCorruptFile) names what is wrong.
std::map<std::string, std::string> parse_shard_index(std::string_view index_json);

// `metadata.total_size`: bytes of all tensors, as their writer counted them; nothing where there is
// none, or no count.
std::optional<uint64_t> stated_total_size(std::string_view index_json);

// The files of the map. Error(kBadInput) names those that are not in the folder, and how many
// tensors are missing with them.
std::set<std::string> shard_names(const std::filesystem::path& folder,
                                  const std::map<std::string, std::string>& weight_map);

// Every tensor of the map is in its file, and the other way round: `tensors` are the names in
// `file_name`. Error(kCorruptFile) names the first that is not.
void check_shard(std::span<const std::string_view> tensors, const std::string& file_name,
                 const std::map<std::string, std::string>& weight_map);

}  // namespace assay
