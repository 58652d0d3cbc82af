#include "io/shard_index.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/json.h"

namespace assay {
namespace {

bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

}  // namespace

std::map<std::string, std::string> parse_shard_index(std::string_view index_json) {
  const Json index = parse_intact_json(index_json, "the index");
  require_intact(
      index.is_object() && index.contains("weight_map") && index.at("weight_map").is_object(),
      "no object 'weight_map'");
  std::map<std::string, std::string> files;
  for (const auto& [tensor, file] : index.at("weight_map").items()) {
    require_intact(file.is_string() && is_plain_name(file.get<std::string>()), "weight_map: '",
                   tensor, "' must name a file of this folder, got ", file.dump());
    files.emplace(tensor, file.get<std::string>());
  }
  return files;
}

std::optional<uint64_t> stated_total_size(std::string_view index_json) {
  const Json index = parse_intact_json(index_json, "the index");
  const Json metadata = index.value("metadata", Json());
  const Json total = metadata.is_object() ? metadata.value("total_size", Json()) : Json();
  if (total.is_number_unsigned()) return total.get<uint64_t>();
  return std::nullopt;
}

std::set<std::string> shard_names(const std::filesystem::path& folder,
                                  const std::map<std::string, std::string>& weight_map) {
  std::set<std::string> names, missing;
  for (const auto& [tensor, name] : weight_map) names.insert(name);
  std::string text;
  for (const auto& name : names) {
    if (std::filesystem::exists(folder / name)) continue;
    missing.insert(name);
    text += (text.empty() ? "" : ", ") + name;
  }
  const auto tensors = std::ranges::count_if(
      weight_map, [&](const auto& entry) { return missing.contains(entry.second); });
  require(missing.empty(), missing.size(), " of ", names.size(), " files are not there, with ",
          tensors, " of ", weight_map.size(), " tensors: ", text);
  return names;
}

void check_shard(std::span<const std::string_view> tensors, const std::string& file_name,
                 const std::map<std::string, std::string>& weight_map) {
  const std::set<std::string_view> present(tensors.begin(), tensors.end());
  for (const auto tensor : tensors) {
    const auto mapped = weight_map.find(std::string(tensor));
    require_intact(mapped != weight_map.end(), file_name, " holds '", tensor,
                   "', which the index does not list");
    require_intact(mapped->second == file_name, file_name, " holds '", tensor,
                   "', which the index puts in ", mapped->second);
  }
  for (const auto& [tensor, shard] : weight_map) {
    require_intact(shard != file_name || present.contains(tensor), "'", tensor, "' is not in ",
                   file_name, ", where the index puts it");
  }
}

}  // namespace assay
