#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "report/number_text.h"
#include "report/page_sections.h"

namespace assay::report {
namespace {

// A hash or a path may be long: let it break anywhere, in a fixed-width face.
bool looks_like_code(const std::string& text) {
  return text.size() >= 24 && text.find(' ') == std::string::npos;
}

std::string label(std::string key) {
  std::ranges::replace(key, '_', ' ');
  return key;
}

void add_scalar(const Json& value, Html& html) {
  if (value.is_null()) {
    html << "–";
  } else if (value.is_boolean()) {
    html << (value.get<bool>() ? Literal("yes") : Literal("no"));
  } else if (value.is_number_integer()) {
    html << count_text(value.get<int64_t>());
  } else if (value.is_number()) {
    html << fmt::format("{:.6g}", value.get<double>());
  } else if (const std::string text = value.get<std::string>(); looks_like_code(text)) {
    html << "<code>" << text << "</code>";
  } else {
    html << text;
  }
}

std::vector<std::string> columns_of(const Json& rows) {
  std::vector<std::string> columns;
  for (const Json& row : rows) {
    for (const auto& [key, value] : row.items()) {
      if (std::ranges::find(columns, key) == columns.end()) columns.push_back(key);
    }
  }
  return columns;
}

void add_table(const Json& rows, Html& html) {
  const std::vector<std::string> columns = columns_of(rows);
  html << "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr>";
  for (const std::string& column : columns)
    html << "<th scope=\"col\">" << label(column) << "</th>";
  html << "</tr></thead><tbody>\n";
  for (const Json& row : rows) {
    html << "<tr>";
    for (const std::string& column : columns) {
      const auto cell = row.find(column);
      html << (cell != row.end() && cell->is_number() ? Literal("<td class=\"num\">")
                                                      : Literal("<td>"));
      if (cell != row.end()) add_value(*cell, html);
      html << "</td>";
    }
    html << "</tr>\n";
  }
  html << "</tbody></table></div>\n";
}

void add_definitions(const Json& object, Html& html) {
  html << "<dl>";
  for (const auto& [key, value] : object.items()) {
    html << "<div><dt>" << label(key) << "</dt><dd>";
    add_value(value, html);
    html << "</dd></div>";
  }
  html << "</dl>\n";
}

void add_list(const Json& list, Html& html) {
  bool first = true;
  for (const Json& entry : list) {
    if (!first) html << ", ";
    first = false;
    add_value(entry, html);
  }
}

}  // namespace

void add_value(const Json& value, Html& html) {
  const auto is_object = [](const Json& entry) { return entry.is_object(); };
  if (value.is_object()) {
    add_definitions(value, html);
  } else if (!value.is_array()) {
    add_scalar(value, html);
  } else if (value.empty()) {
    html << "none";
  } else if (std::ranges::all_of(value, is_object)) {
    add_table(value, html);
  } else {
    add_list(value, html);
  }
}

}  // namespace assay::report
