#include "io/jsonl.h"

#include "base/error.h"
#include "base/file.h"

namespace assay {

std::vector<Json> parse_jsonl(std::string_view text, std::string_view where) {
  std::vector<Json> rows;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::string here = std::string(where) + ":" + std::to_string(rows.size() + 1);
    require(!line.empty(), here, ": empty line");
    rows.push_back(parse_json(line, here));
  }
  return rows;
}

std::vector<Json> read_jsonl(const std::filesystem::path& path) {
  return parse_jsonl(read_file(path), path.string());
}

}  // namespace assay
