#pragma once
// HTML written so that no text can become markup. String literals are markup, and nothing else is:
// strings that are made while the program runs are escaped by the type system's choice, not by the
// caller's memory.
//   html << "<td title=\"" << item.id << "\">" << item.context << "</td>";

#include <concepts>
#include <string>
#include <string_view>

#include "base/json.h"

namespace assay::report {

// clean_text with & < > " ' as character references: safe as element content and inside a quoted
// attribute.
std::string escape_html(std::string_view text);

// `value` as JSON that may stand inside <script type="application/json">: all strings cleaned, and
// < > & U+2028 U+2029 written as \u escapes, so the text holds neither a tag, a comment nor a
// character reference.
std::string script_json(const Json& value);

// Markup known at compile time.
struct Literal {
  consteval Literal(const char* literal) : text(literal) {}  // NOLINT: "<td>" is meant to convert
  std::string_view text;
};

class Html {
 public:
  Html& operator<<(Literal markup);
  template <class Text>
  requires std::same_as<Text, std::string> || std::same_as<Text, std::string_view> Html& operator<<(
      const Text& text) {
    return escaped(text);
  }
  Html& operator<<(const Html& other);

  // A script or a style sheet built with the program, or the result of script_json.
  Html& embed(std::string_view trusted);

  const std::string& str() const { return out_; }

 private:
  Html& escaped(std::string_view text);

  std::string out_;
};

}  // namespace assay::report
