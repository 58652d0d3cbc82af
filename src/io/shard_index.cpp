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
