#pragma once
// Fields of tokenizer.json: other keys are tolerated, as the `tokenizers` library does; what is
// read has a type. Error(kCorruptFile) says "WHERE.KEY: expected …".

#include <string>

#include "base/json.h"

namespace assay {

// The value at `key`; missing is an error.
const Json& field(const Json& object, const std::string& key, const std::string& where);

std::string string_field(const Json& object, const std::string& key, const std::string& where);
bool bool_field(const Json& object, const std::string& key, const std::string& where);

// A missing or null field is `fallback`.
bool bool_field_or(const Json& object, const std::string& key, bool fallback,
                   const std::string& where);
std::string string_field_or(const Json& object, const std::string& key, const std::string& fallback,
                            const std::string& where);

// The field or null where it is missing.
const Json& field_or_null(const Json& object, const std::string& key);

// A token id: an integer in [0, 2^31 - 1).
int32_t id_of(const Json& value, const std::string& where);

}  // namespace assay
