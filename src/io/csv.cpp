#include "io/csv.h"

#include "base/error.h"

namespace assay {
namespace {

struct Reader {
  std::string_view text, where;
  size_t at = 0, line = 1;

  bool done() const { return at >= text.size(); }
  // At a comma, a line end or the end of the text.
  bool at_field_end() const {
    return done() || text[at] == ',' || text[at] == '\n' || text.substr(at, 2) == "\r\n";
  }

  std::string quoted() {
    const size_t first_line = line;
    std::string field;
    for (++at; !done(); ++at) {
      if (text[at] == '"') {
        if (text.substr(at, 2) != "\"\"") break;
        ++at;
      }
      if (text[at] == '\n') ++line;
      field += text[at];
    }
    require(!done(), where, ":", first_line, ": the quote is not closed");
    ++at;
    require(at_field_end(), where, ":", line, ": text behind a closing quote");
    return field;
  }

  std::string field() {
    if (!done() && text[at] == '"') return quoted();
    std::string field;
    for (; !at_field_end(); ++at) {
      require(text[at] != '"', where, ":", line, ": a quote inside an unquoted field");
      field += text[at];
    }
    return field;
  }

  std::vector<std::string> row() {
    std::vector<std::string> fields{field()};
    while (!done() && text[at] == ',') {
      ++at;
      fields.push_back(field());
    }
    if (!done()) {
      at += text[at] == '\r' ? 2 : 1;
      ++line;
    }
    return fields;
  }
};

}  // namespace

std::vector<std::vector<std::string>> parse_csv(std::string_view text, std::string_view where) {
  Reader reader{text, where};
  std::vector<std::vector<std::string>> rows;
  while (!reader.done()) rows.push_back(reader.row());
  return rows;
}

}  // namespace assay
