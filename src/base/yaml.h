#pragma once
// YAML as JSON values, so that one set of strict readers serves study files and JSON alike.

#include <string_view>

#include "base/json.h"

namespace assay {

// Parses one YAML document. Plain scalars become null, booleans (true/false), integers, floats or
// strings as in YAML's core schema; quoted scalars are strings. Error(kBadInput) says `where`, the
// line and what is wrong: syntax, duplicate keys, keys that are not scalars, more than 100 000
// nodes (aliases expanded) or 64 levels.
Json parse_yaml(std::string_view text, std::string_view where);

}  // namespace assay
