#pragma once
// JSON Lines: one JSON text a line. Lines end with LF or CR LF; the last may lack it; an empty line
// is an error, since a row that vanished must not look like a row that never was.

#include <filesystem>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace assay {

// One value a line, in order. Error(kBadInput) says "WHERE:LINE: what is wrong".
std::vector<Json> parse_jsonl(std::string_view text, std::string_view where);

// The same from a file; messages name the file.
std::vector<Json> read_jsonl(const std::filesystem::path& path);

}  // namespace assay
