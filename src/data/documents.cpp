#include "data/documents.h"

#include <charconv>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "io/jsonl.h"

namespace assay {
namespace {

constexpr int64_t kToTheEnd = std::numeric_limits<int64_t>::max();

int64_t row_number(std::string_view text, std::string_view all) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require(error == std::errc() && end == text.data() + text.size() && value >= 1,
          "rows must be like '1:20', '501:' or '7', got '", all, "'");
  return value;
}

}  // namespace

std::pair<int64_t, int64_t> parse_rows(std::string_view text) {
  const size_t colon = text.find(':');
  const int64_t first = row_number(text.substr(0, colon), text);
  if (colon == std::string_view::npos) return {first, first};
  const auto behind = text.substr(colon + 1);
  const int64_t last = behind.empty() ? kToTheEnd : row_number(behind, text);
  require(first <= last, "rows '", text, "': the first is behind the last");
  return {first, last};
}

std::vector<std::string> read_documents(const TextSource& source) {
  const std::string name = source.path.string();
  if (source.field.empty()) {
    require(!source.rows, name, ": rows are given, but no field that a row holds the text in");
    auto text = read_file(source.path);
    require(!text.empty(), name, ": the file is empty");
    return {std::move(text)};
  }
  const auto rows = read_jsonl(source.path);
  const auto num_rows = static_cast<int64_t>(rows.size());
  const auto [first, last] = source.rows.value_or(std::pair{int64_t{1}, kToTheEnd});
  require(first <= num_rows, name, ": row ", first, " is asked for, the file has ", num_rows);
  require(last == kToTheEnd || last <= num_rows, name, ": row ", last,
          " is asked for, the file has ", num_rows);
  std::vector<std::string> documents;
  for (int64_t i = first; i <= std::min(last, num_rows); ++i) {
    documents.push_back(json_get<std::string>(rows[static_cast<size_t>(i - 1)], source.field,
                                              name + ":" + std::to_string(i)));
  }
  return documents;
}

std::vector<std::string> wikitext_rows(std::string_view file) {
  std::vector<std::string> rows;
  while (!file.empty()) {
    const size_t end = file.find('\n');
    const auto line = file.substr(0, end == std::string_view::npos ? file.size() : end + 1);
    file.remove_prefix(line.size());
    const bool is_blank = line.find_first_not_of(" \t\r\n") == std::string_view::npos;
    rows.emplace_back(is_blank ? "" : line);
  }
  return rows;
}

std::string joined(const std::vector<std::string>& documents, std::string_view separator) {
  std::string text;
  for (size_t i = 0; i < documents.size(); ++i) {
    if (i > 0) text += separator;
    text += documents[i];
  }
  return text;
}

}  // namespace assay
