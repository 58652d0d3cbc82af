#pragma once
// Expressions of a template, by Jinja's precedence: it is not always Python's (** binds to the
// left, and ~ stands between + and *).

#include "chat/syntax.h"
#include "chat/token_stream.h"

namespace assay::jinja {

// Whether the name is that of a constant: true, none, and with a capital.
bool is_constant_name(std::string_view name);

enum class InlineIf { kAllowed, kNotHere };

class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& tokens) : tokens_(tokens) {}

  ExpressionPtr expression(InlineIf inline_if = InlineIf::kAllowed);
  // One expression, or several with commas between them: a tuple. Ends before `end_word`.
  ExpressionPtr tuple(InlineIf inline_if = InlineIf::kAllowed, std::string_view end_word = {});
  // What can be assigned to: a name, a tuple of names.
  ExpressionPtr target(std::string_view end_word = {});
  // The filters of a block, behind its name: applied to a kBlockText.
  ExpressionPtr block_filters();

  // Every name that was read so far, to see what a macro's body asks for.
  const std::vector<std::string>& names_read() const { return names_read_; }

 private:
  ExpressionPtr any_of(ExpressionKind kind, std::string_view word,
                       ExpressionPtr (ExpressionParser::*operand)());
  ExpressionPtr or_expression();
  ExpressionPtr and_expression();
  ExpressionPtr not_expression();
  ExpressionPtr comparison();
  ExpressionPtr arithmetic(std::initializer_list<std::string_view> operators,
                           ExpressionPtr (ExpressionParser::*operand)());
  ExpressionPtr sum();
  ExpressionPtr concatenation();
  ExpressionPtr product();
  ExpressionPtr power();
  ExpressionPtr signed_primary();
  ExpressionPtr unary(bool with_filters);
  ExpressionPtr primary();
  ExpressionPtr parenthesized();
  ExpressionPtr list();
  ExpressionPtr dict();
  ExpressionPtr postfix(ExpressionPtr node);
  ExpressionPtr subscript(ExpressionPtr node);
  ExpressionPtr slice(ExpressionPtr node, ExpressionPtr first);
  ExpressionPtr filters_and_tests(ExpressionPtr node);
  ExpressionPtr filter(ExpressionPtr node);
  ExpressionPtr test(ExpressionPtr node);
  void arguments(Expression& call);

  ExpressionPtr make(ExpressionKind kind, std::string text = {}) const;
  ExpressionPtr literal(Value value) const;
  void adopt(Expression& parent, ExpressionPtr child) const;

  TokenStream& tokens_;
  int nesting_ = 0;
  std::vector<std::string> names_read_;
};

}  // namespace assay::jinja
