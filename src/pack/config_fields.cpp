#include "pack/config_fields.h"

#include <algorithm>

#include "base/error.h"

namespace assay {

bool is_set(const Json& object, std::string_view key) {
  const auto found = object.find(std::string(key));
  return found != object.end() && !found->is_null();
}

void refuse_unknown_keys(const Json& object, std::span<const std::string_view> known,
                         std::string_view where) {
  require(object.is_object(), where, " must be an object, got ", object.dump());
  for (const auto& [key, value] : object.items()) {
    require(value.is_null() || std::ranges::find(known, key) != known.end(), where,
            ": unsupported key '", key, "'", suggest(key, known));
  }
}

int64_t integer_of(const Json& object, std::initializer_list<const char*> names, int64_t fallback) {
  for (const char* name : names) {
    if (is_set(object, name)) return json_get<int64_t>(object, name, "quantization_config");
  }
  return fallback;
}

int64_t group_size_of(const Json& object, int64_t fallback) {
  const int64_t size = integer_of(object, {"group_size", "q_group_size"}, fallback);
  require(size == -1 || (size > 0 && size <= int64_t{1} << 20),
          "quantization_config: group_size must be positive or -1, got ", size);
  return size;
}

void add_skipped(const Json& object, std::initializer_list<const char*> keys,
                 std::vector<ModuleRule>& rules) {
  for (const char* key : keys) {
    if (!is_set(object, key)) continue;
    for (const auto& name :
         json_get<std::vector<std::string>>(object, key, "quantization_config")) {
      rules.push_back(left_alone(ModulePattern::Kind::kSkipped, name));
    }
    return;
  }
}

ModuleRule every_module(PackedLayout layout) {
  return {ModulePattern(ModulePattern::Kind::kAny, ""), std::move(layout)};
}

ModuleRule left_alone(ModulePattern::Kind kind, std::string text) {
  return {ModulePattern(kind, std::move(text)), std::nullopt};
}

}  // namespace assay
