#include "tokenizer/json_fields.h"

#include <cstdint>
#include <limits>

#include "base/error.h"

namespace assay {

const Json& field(const Json& object, const std::string& key, const std::string& where) {
  require_intact(object.is_object(), where, ": expected an object, got ", object.type_name());
  const auto found = object.find(key);
  require_intact(found != object.end(), where, ": missing key '", key, "'");
  return *found;
}

const Json& field_or_null(const Json& object, const std::string& key) {
  static const Json null;
  if (!object.is_object()) return null;
  const auto found = object.find(key);
  return found == object.end() ? null : *found;
}

std::string string_field(const Json& object, const std::string& key, const std::string& where) {
  const Json& value = field(object, key, where);
  require_intact(value.is_string(), where, ".", key, ": expected a string, got ",
                 value.type_name());
  return value.get<std::string>();
}

bool bool_field(const Json& object, const std::string& key, const std::string& where) {
  const Json& value = field(object, key, where);
  require_intact(value.is_boolean(), where, ".", key, ": expected true or false, got ",
                 value.type_name());
  return value.get<bool>();
}

bool bool_field_or(const Json& object, const std::string& key, bool fallback,
                   const std::string& where) {
  return field_or_null(object, key).is_null() ? fallback : bool_field(object, key, where);
}

std::string string_field_or(const Json& object, const std::string& key, const std::string& fallback,
                            const std::string& where) {
  return field_or_null(object, key).is_null() ? fallback : string_field(object, key, where);
}

int32_t id_of(const Json& value, const std::string& where) {
  const bool fits = value.is_number_integer() && value.get<int64_t>() >= 0 &&
                    value.get<uint64_t>() < std::numeric_limits<int32_t>::max();
  require_intact(fits, where, ": expected a token id, got ",
                 value.dump(-1, ' ', false, Json::error_handler_t::replace));
  return static_cast<int32_t>(value.get<int64_t>());
}

}  // namespace assay
