#pragma once
// Templates of base/json.h.

#include "base/error.h"

namespace assay {

template <class T>
T json_get(const Json& object, const std::string& key, std::string_view where) {
  require(object.is_object(), where, ": expected an object, got ", object.type_name());
  const auto found = object.find(key);
  require(found != object.end(), where, ": missing key '", key, "'");
  if constexpr (std::is_same_v<T, bool>) {
    require(found->is_boolean(), where, ": '", key, "' must be true or false, got ", found->dump());
  } else if constexpr (std::is_integral_v<T>) {
    require(found->is_number_integer(), where, ": '", key, "' must be an integer, got ",
            found->dump());
    const bool fits = found->is_number_unsigned()
                          ? std::in_range<T>(found->template get<uint64_t>())
                          : std::in_range<T>(found->template get<int64_t>());
    require(fits, where, ": '", key, "' is out of range: ", found->dump());
  } else if constexpr (std::is_floating_point_v<T>) {
    require(found->is_number(), where, ": '", key, "' must be a number, got ", found->dump());
  } else if constexpr (std::is_same_v<T, std::string>) {
    require(found->is_string(), where, ": '", key, "' must be a string, got ", found->dump());
  }
  try {
    return found->template get<T>();
  } catch (const nlohmann::json::exception&) {
    fail(ErrorKind::kBadInput, where, ": '", key, "' has the wrong type: ", found->dump());
  }
}

template <class T>
T json_get_or(const Json& object, const std::string& key, T fallback, std::string_view where) {
  return object.contains(key) ? json_get<T>(object, key, where) : std::move(fallback);
}

}  // namespace assay
