#pragma once
// A template cut into tokens by the rules of Jinja 3.1 with trim_blocks and lstrip_blocks, as
// transformers sets them: the newline behind a block or comment goes, so do blanks from the start
// of its line, "-" takes all white space on its side and "+" keeps it; the last newline of the
// template goes.

#include <string>
#include <string_view>
#include <vector>

namespace assay::jinja {

enum class TokenType {
  kData,
  kBlockBegin,
  kBlockEnd,
  kVariableBegin,
  kVariableEnd,
  kName,
  kInteger,
  kFloat,
  kString,  // text: decoded
  kOperator,
  kEnd,
};

struct Token {
  TokenType type;
  std::string text;
  int line;
};

constexpr size_t kMaxTemplateBytes = size_t{1} << 20;

// The last token is kEnd. Error(kBadInput) names the line.
std::vector<Token> lex(std::string_view text);

}  // namespace assay::jinja
