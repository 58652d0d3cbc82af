#pragma once
// Templates of base/json.h.

#include "base/error.h"

namespace assay {

// The value as an error message shows it; made only where one is thrown. Bytes that are no UTF-8
// become U+FFFD.
inline std::string shown(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

template <class T>
T json_get(const Json& object, const std::string& key, std::string_view where) {
  require(object.is_object(), where, ": expected an object, got ", object.type_name());
  const auto found = object.find(key);
  require(found != object.end(), where, ": missing key '", key, "'");
  if constexpr (std::is_same_v<T, bool>) {
    if (!found->is_boolean()) {
      fail(ErrorKind::kBadInput, where, ": '", key, "' must be true or false, got ", shown(*found));
    }
  } else if constexpr (std::is_integral_v<T>) {
    if (!found->is_number_integer()) {
      fail(ErrorKind::kBadInput, where, ": '", key, "' must be an integer, got ", shown(*found));
    }
    const bool fits = found->is_number_unsigned()
                          ? std::in_range<T>(found->template get<uint64_t>())
                          : std::in_range<T>(found->template get<int64_t>());
    if (!fits) fail(ErrorKind::kBadInput, where, ": '", key, "' is out of range: ", shown(*found));
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!found->is_number()) {
      fail(ErrorKind::kBadInput, where, ": '", key, "' must be a number, got ", shown(*found));
    }
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!found->is_string()) {
      fail(ErrorKind::kBadInput, where, ": '", key, "' must be a string, got ", shown(*found));
    }
  }
  try {
    return found->template get<T>();
  } catch (const nlohmann::json::exception&) {
    fail(ErrorKind::kBadInput, where, ": '", key, "' has the wrong type: ", shown(*found));
  }
}

template <class T>
T json_get_or(const Json& object, const std::string& key, T fallback, std::string_view where) {
  return object.contains(key) ? json_get<T>(object, key, where) : std::move(fallback);
}

}  // namespace assay
