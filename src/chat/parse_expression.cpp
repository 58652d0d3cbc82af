#include "chat/parse_expression.h"

#include <algorithm>

#include "chat/parser.h"

namespace assay::jinja {
namespace {

// Counts a level of recursion while it lives.
class Nested {
 public:
  Nested(int& level, const TokenStream& tokens) : level_(level) {
    if (level_ >= kMaxSyntaxDepth) {
      tokens.fail_here("nested deeper than ", kMaxSyntaxDepth, " levels");
    }
    ++level_;
  }
  Nested(const Nested&) = delete;
  Nested& operator=(const Nested&) = delete;
  ~Nested() { --level_; }

 private:
  int& level_;
};

}  // namespace

bool is_constant_name(std::string_view name) {
  return name == "true" || name == "false" || name == "none" || name == "True" || name == "False" ||
         name == "None";
}

ExpressionPtr ExpressionParser::make(ExpressionKind kind, std::string text) const {
  auto node = std::make_unique<Expression>();
  node->kind = kind;
  node->line = tokens_.line();
  node->text = std::move(text);
  return node;
}

ExpressionPtr ExpressionParser::literal(Value value) const {
  auto node = make(ExpressionKind::kLiteral);
  node->value = std::move(value);
  return node;
}

void ExpressionParser::adopt(Expression& parent, ExpressionPtr child) const {
  if (child != nullptr) parent.depth = std::max(parent.depth, child->depth + 1);
  if (parent.depth > kMaxSyntaxDepth) {
    tokens_.fail_here("an expression is nested deeper than ", kMaxSyntaxDepth, " levels");
  }
  parent.operands.push_back(std::move(child));
}

ExpressionPtr ExpressionParser::expression(InlineIf inline_if) {
  const Nested nested(nesting_, tokens_);
  auto node = or_expression();
  while (inline_if == InlineIf::kAllowed && tokens_.at_name("if")) {
    auto conditional = make(ExpressionKind::kConditional);
    tokens_.take();
    adopt(*conditional, std::move(node));
    adopt(*conditional, or_expression());
    adopt(*conditional, tokens_.skip_name("else") ? expression() : nullptr);
    node = std::move(conditional);
  }
  return node;
}

ExpressionPtr ExpressionParser::tuple(InlineIf inline_if, std::string_view end_word) {
  const auto at_end = [&] {
    return tokens_.at(TokenType::kVariableEnd) || tokens_.at(TokenType::kBlockEnd) ||
           tokens_.at_operator(")") || (!end_word.empty() && tokens_.at_name(end_word));
  };
  if (at_end()) tokens_.fail_here("expected an expression, got ", tokens_.shown());
  auto first = expression(inline_if);
  if (!tokens_.at_operator(",")) return first;
  auto node = make(ExpressionKind::kTuple);
  adopt(*node, std::move(first));
  while (tokens_.skip_operator(",") && !at_end()) adopt(*node, expression(inline_if));
  return node;
}

ExpressionPtr ExpressionParser::target(std::string_view end_word) {
  const auto name = [&] {
    auto node = make(ExpressionKind::kName, tokens_.expect_name());
    if (is_constant_name(node->text)) tokens_.fail_here("cannot assign to ", node->text);
    return node;
  };
  const auto one = [&]() -> ExpressionPtr {
    if (!tokens_.skip_operator("(")) return name();
    const Nested nested(nesting_, tokens_);
    auto inner = target();
    tokens_.expect_operator(")");
    return inner;
  };
  auto first = one();
  if (!tokens_.at_operator(",")) return first;
  auto node = make(ExpressionKind::kTuple);
  adopt(*node, std::move(first));
  while (tokens_.skip_operator(",")) {
    const bool at_end = tokens_.at_operator(")") || tokens_.at(TokenType::kBlockEnd) ||
                        (!end_word.empty() && tokens_.at_name(end_word));
    if (at_end) break;
    adopt(*node, one());
  }
  return node;
}

ExpressionPtr ExpressionParser::any_of(ExpressionKind kind, std::string_view word,
                                       ExpressionPtr (ExpressionParser::*operand)()) {
  auto left = (this->*operand)();
  while (tokens_.at_name(word)) {
    auto node = make(kind);
    tokens_.take();
    adopt(*node, std::move(left));
    adopt(*node, (this->*operand)());
    left = std::move(node);
  }
  return left;
}

ExpressionPtr ExpressionParser::or_expression() {
  return any_of(ExpressionKind::kOr, "or", &ExpressionParser::and_expression);
}

ExpressionPtr ExpressionParser::and_expression() {
  return any_of(ExpressionKind::kAnd, "and", &ExpressionParser::not_expression);
}

ExpressionPtr ExpressionParser::not_expression() {
  const Nested nested(nesting_, tokens_);
  if (!tokens_.at_name("not")) return comparison();
  auto node = make(ExpressionKind::kNot);
  tokens_.take();
  adopt(*node, not_expression());
  return node;
}

ExpressionPtr ExpressionParser::comparison() {
  static constexpr std::string_view kOperators[] = {"==", "!=", "<", "<=", ">", ">="};
  auto first = sum();
  auto node = make(ExpressionKind::kComparison);
  adopt(*node, std::move(first));
  while (true) {
    if (tokens_.at(TokenType::kOperator) &&
        std::ranges::find(kOperators, tokens_.current().text) != std::end(kOperators)) {
      node->comparisons.push_back(tokens_.take().text);
    } else if (tokens_.skip_name("in")) {
      node->comparisons.emplace_back("in");
    } else if (tokens_.at_name("not") && tokens_.next_is_name("in")) {
      tokens_.take();
      tokens_.take();
      node->comparisons.emplace_back("not in");
    } else {
      break;
    }
    adopt(*node, sum());
  }
  return node->comparisons.empty() ? std::move(node->operands[0]) : std::move(node);
}

ExpressionPtr ExpressionParser::arithmetic(std::initializer_list<std::string_view> operators,
                                           ExpressionPtr (ExpressionParser::*operand)()) {
  auto left = (this->*operand)();
  while (tokens_.at(TokenType::kOperator) &&
         std::ranges::find(operators, tokens_.current().text) != operators.end()) {
    auto node = make(ExpressionKind::kArithmetic, tokens_.current().text);
    tokens_.take();
    adopt(*node, std::move(left));
    adopt(*node, (this->*operand)());
    left = std::move(node);
  }
  return left;
}

ExpressionPtr ExpressionParser::sum() {
  return arithmetic({"+", "-"}, &ExpressionParser::concatenation);
}

ExpressionPtr ExpressionParser::concatenation() {
  auto first = product();
  if (!tokens_.at_operator("~")) return first;
  auto node = make(ExpressionKind::kConcat);
  adopt(*node, std::move(first));
  while (tokens_.skip_operator("~")) adopt(*node, product());
  return node;
}

ExpressionPtr ExpressionParser::product() {
  return arithmetic({"*", "/", "//", "%"}, &ExpressionParser::power);
}

ExpressionPtr ExpressionParser::power() {
  return arithmetic({"**"}, &ExpressionParser::signed_primary);
}

ExpressionPtr ExpressionParser::signed_primary() { return unary(/*with_filters=*/true); }

// A sign takes what stands behind it without its filters: -1|abs is (-1)|abs.
ExpressionPtr ExpressionParser::unary(bool with_filters) {
  const Nested nested(nesting_, tokens_);
  ExpressionPtr node;
  if (tokens_.at_operator("-") || tokens_.at_operator("+")) {
    node = make(tokens_.at_operator("-") ? ExpressionKind::kNegative : ExpressionKind::kPositive);
    tokens_.take();
    adopt(*node, unary(/*with_filters=*/false));
  } else {
    node = primary();
  }
  node = postfix(std::move(node));
  return with_filters ? filters_and_tests(std::move(node)) : std::move(node);
}

}  // namespace assay::jinja
