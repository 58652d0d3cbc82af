#pragma once
// Texts to read: documents of a file, in its order.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace assay {

struct TextSource {
  std::filesystem::path path;
  std::string field;  // of each row of a JSON Lines file; empty: the file is one plain text
  std::optional<std::pair<int64_t, int64_t>> rows;  // first and last row, counted from 1; none: all
};

// "20" (one row), "1:20" (both ends included), "501:" (to the end). Error(kBadInput) on anything
// else.
std::pair<int64_t, int64_t> parse_rows(std::string_view text);

// Error(kBadInput) names file, line and field: not a string, a row that the file does not have, an
// empty file.
std::vector<std::string> read_documents(const TextSource& source);

// The rows of WikiText-2 raw as the hub's data set has them, from the official file: a line with
// its LF, and "" for each blank line. The published perplexities join these with two LF.
std::vector<std::string> wikitext_rows(std::string_view file);

// The documents with `separator` between them.
std::string joined(const std::vector<std::string>& documents, std::string_view separator);

}  // namespace assay
