#pragma once
// The parser's place in the tokens.

#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "chat/lexer.h"

namespace assay::jinja {

class TokenStream {
 public:
  explicit TokenStream(const std::vector<Token>& tokens) : tokens_(tokens) {}

  const Token& current() const { return tokens_[at_]; }
  const Token& next() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  int line() const { return current().line; }

  bool at(TokenType type) const { return current().type == type; }
  bool at_operator(std::string_view op) const { return is(current(), TokenType::kOperator, op); }
  bool at_name(std::string_view name) const { return is(current(), TokenType::kName, name); }
  bool next_is_operator(std::string_view op) const { return is(next(), TokenType::kOperator, op); }
  bool next_is_name(std::string_view name) const { return is(next(), TokenType::kName, name); }

  Token take() {
    const Token& token = tokens_[at_];
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool skip_operator(std::string_view op) { return at_operator(op) && (take(), true); }
  bool skip_name(std::string_view name) { return at_name(name) && (take(), true); }

  void expect_operator(std::string_view op) {
    if (!skip_operator(op)) fail_here("expected '", op, "', got ", shown());
  }
  void expect_word(std::string_view word) {
    if (!skip_name(word)) fail_here("expected '", word, "', got ", shown());
  }
  std::string expect_name() {
    if (!at(TokenType::kName)) fail_here("expected a name, got ", shown());
    return take().text;
  }
  void expect(TokenType type, std::string_view what) {
    if (!at(type)) fail_here("expected ", what, ", got ", shown());
    take();
  }

  std::string shown() const {
    switch (current().type) {
      case TokenType::kEnd:
        return "the end of the template";
      case TokenType::kBlockEnd:
        return "'%}'";
      case TokenType::kVariableEnd:
        return "'}}'";
      case TokenType::kData:
      case TokenType::kBlockBegin:
      case TokenType::kVariableBegin:
        return "the start of a tag or text";
      default:
        return "'" + current().text + "'";
    }
  }

  template <class... Parts>
  [[noreturn]] void fail_here(const Parts&... parts) const {
    fail(ErrorKind::kBadInput, "line ", line(), ": ", parts...);
  }

 private:
  static bool is(const Token& token, TokenType type, std::string_view text) {
    return token.type == type && token.text == text;
  }

  const std::vector<Token>& tokens_;
  size_t at_ = 0;
};

}  // namespace assay::jinja
