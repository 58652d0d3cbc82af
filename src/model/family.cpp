#include "model/family.h"

#include <algorithm>
#include <string>

#include "base/error.h"

namespace assay {
namespace {

const Family& named(std::string_view name, std::string_view Family::*field) {
  const auto& all = families();
  const auto found = std::ranges::find(all, name, field);
  if (found != all.end() && !name.empty()) return *found;
  std::vector<std::string_view> known;
  for (const Family& family : all) {
    const auto value = family.*field;
    if (!value.empty() && std::ranges::find(known, value) == known.end()) known.push_back(value);
  }
  fail(ErrorKind::kBadInput, "unsupported architecture '", name, "'", suggest(name, known));
}

}  // namespace

const std::vector<Family>& families() {
  static const std::vector<Family> all = [] {
    std::vector<Family> rows;
    for (const auto& kin : {llama_families(), gemma_families(), gpt_families(), expert_families()})
      rows.insert(rows.end(), kin.begin(), kin.end());
    return rows;
  }();
  return all;
}

const Family& family_of_model_type(std::string_view model_type) {
  return named(model_type, &Family::model_type);
}

const Family& family_of_gguf(std::string_view architecture) {
  return named(architecture, &Family::gguf);
}

void require_only(const Json& config, const char* key, const Json& supported) {
  if (!config.contains(key) || config[key].is_null()) return;
  require(config[key] == supported, "unsupported: '", key, "': ", config[key].dump(), " (only ",
          supported.dump(), ")");
}

std::vector<int64_t> full_layers(const Json& config, int64_t num_layers, bool (*is_full)(int64_t)) {
  std::vector<int64_t> full;
  if (!config.contains("layer_types") || config["layer_types"].is_null()) {
    for (int64_t i = 0; i < num_layers; ++i) {
      if (is_full(i)) full.push_back(i);
    }
    return full;
  }
  const auto types = json_get<std::vector<std::string>>(config, "layer_types", "config");
  require(static_cast<int64_t>(types.size()) == num_layers, "layer_types names ", types.size(),
          " layers of ", num_layers);
  for (size_t i = 0; i < types.size(); ++i) {
    require(types[i] == "full_attention" || types[i] == "sliding_attention",
            "unsupported: layer_types with '", types[i], "' at layer ", i);
    if (types[i] == "full_attention") full.push_back(static_cast<int64_t>(i));
  }
  return full;
}

}  // namespace assay
