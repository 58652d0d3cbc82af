#pragma once
// json.dumps of Python, which the tojson filter of transformers is.

#include <optional>
#include <string>

#include "chat/value.h"

namespace assay::jinja {

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;  // one level's; nothing: all on one line
  std::string item_separator = ", ";  // "," where there is an indent
  std::string key_separator = ": ";
};

// A fault where json.dumps refuses: an undefined value, an iterator, a key that is no text or
// number.
std::string json_text(Budget& budget, const Value& value, const JsonStyle& style);

}  // namespace assay::jinja
