#pragma once
// JSON values, and objects read strictly: an unknown key is an error that names the nearest known
// one.

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

namespace assay {

// Keys keep the order in which they were written, so that files read as their authors meant them.
using Json = nlohmann::ordered_json;

// The known word with the smallest edit distance to `word`; empty when none is near (distance >
// half its length).
std::string nearest_name(std::string_view word, std::span<const std::string_view> known);

// " (did you mean 'x'?)" or, when nothing is near, " (known: a, b, c)".
std::string suggest(std::string_view word, std::span<const std::string_view> known);

// Throws Error(kBadInput) unless every key of `object` is in `known`. `where` names the object in
// the message.
void require_known_keys(const Json& object, std::span<const std::string_view> known,
                        std::string_view where);

// The value at `key`, converted; Error(kBadInput) names `where` and `key` when it is missing or of
// another type.
template <class T>
T json_get(const Json& object, const std::string& key, std::string_view where);

// The same with a default for a missing key; a present key of another type is still an error.
template <class T>
T json_get_or(const Json& object, const std::string& key, T fallback, std::string_view where);

constexpr size_t kMaxJsonDepth = 256;

// Parses one JSON text (duplicate keys and values nested deeper than kMaxJsonDepth are refused).
// Error(kBadInput) says `where` and the byte offset.
Json parse_json(std::string_view text, std::string_view where);

// The same for a file that a program wrote and a person does not edit: Error(kCorruptFile).
Json parse_intact_json(std::string_view text, std::string_view where);

}  // namespace assay

#include "base/json_inl.h"
