#include "chat/parse_expression.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "chat/parser.h"

namespace assay::jinja {
namespace {

// Counts a level of recursion while it lives.
class Nested {
 public:
  Nested(int& level, const TokenStream& tokens) : level_(level) {
    if (++level_ > kMaxSyntaxDepth) {
      --level_;
      tokens.fail_here("nested deeper than ", kMaxSyntaxDepth, " levels");
    }
  }
  Nested(const Nested&) = delete;
  Nested& operator=(const Nested&) = delete;
  ~Nested() { --level_; }

 private:
  int& level_;
};

bool is_constant_name(std::string_view name) {
  return name == "true" || name == "false" || name == "none" || name == "True" || name == "False" ||
         name == "None";
}

}  // namespace

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

ExpressionPtr ExpressionParser::primary() {
  const Token token = tokens_.current();
  switch (token.type) {
    case TokenType::kName: {
      if (!is_constant_name(token.text)) {
        auto node = make(ExpressionKind::kName, token.text);
        names_read_.push_back(token.text);
        tokens_.take();
        return node;
      }
      tokens_.take();
      if (token.text == "none" || token.text == "None") return literal({});
      return literal(token.text == "true" || token.text == "True");
    }
    case TokenType::kString: {
      std::string text;
      while (tokens_.at(TokenType::kString)) text += tokens_.take().text;
      return literal(Value(Text{std::make_shared<const std::string>(std::move(text))}));
    }
    case TokenType::kInteger: {
      int64_t value = 0;
      const auto [end, error] =
          std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
      if (error != std::errc()) tokens_.fail_here("unsupported: an integer beyond 64 bits");
      tokens_.take();
      return literal(value);
    }
    case TokenType::kFloat: {
      const double value = std::stod(token.text);
      tokens_.take();
      return literal(value);
    }
    default:
      if (tokens_.at_operator("(")) return parenthesized();
      if (tokens_.at_operator("[")) return list();
      if (tokens_.at_operator("{")) return dict();
      tokens_.fail_here("unexpected ", tokens_.shown());
  }
}

ExpressionPtr ExpressionParser::parenthesized() {
  tokens_.expect_operator("(");
  auto node = tokens_.at_operator(")") ? make(ExpressionKind::kTuple) : tuple();
  tokens_.expect_operator(")");
  return node;
}

ExpressionPtr ExpressionParser::list() {
  auto node = make(ExpressionKind::kList);
  tokens_.expect_operator("[");
  while (!tokens_.at_operator("]")) {
    if (!node->operands.empty()) tokens_.expect_operator(",");
    if (tokens_.at_operator("]")) break;
    adopt(*node, expression());
  }
  tokens_.expect_operator("]");
  return node;
}

ExpressionPtr ExpressionParser::dict() {
  auto node = make(ExpressionKind::kDict);
  tokens_.expect_operator("{");
  while (!tokens_.at_operator("}")) {
    if (!node->operands.empty()) tokens_.expect_operator(",");
    if (tokens_.at_operator("}")) break;
    adopt(*node, expression());
    tokens_.expect_operator(":");
    adopt(*node, expression());
  }
  tokens_.expect_operator("}");
  return node;
}

ExpressionPtr ExpressionParser::postfix(ExpressionPtr node) {
  while (true) {
    if (tokens_.at_operator(".") || tokens_.at_operator("[")) {
      node = subscript(std::move(node));
    } else if (tokens_.at_operator("(")) {
      auto call = make(ExpressionKind::kCall);
      adopt(*call, std::move(node));
      arguments(*call);
      node = std::move(call);
    } else {
      return node;
    }
  }
}

ExpressionPtr ExpressionParser::subscript(ExpressionPtr node) {
  if (tokens_.skip_operator(".")) {
    if (tokens_.at(TokenType::kInteger)) {
      auto item = make(ExpressionKind::kItem);
      adopt(*item, std::move(node));
      adopt(*item, primary());
      return item;
    }
    auto attribute = make(ExpressionKind::kAttribute, tokens_.expect_name());
    adopt(*attribute, std::move(node));
    return attribute;
  }
  tokens_.expect_operator("[");
  ExpressionPtr first;
  if (!tokens_.at_operator(":")) first = expression();
  if (tokens_.at_operator(":")) return slice(std::move(node), std::move(first));
  auto item = make(ExpressionKind::kItem);
  if (tokens_.at_operator(",")) tokens_.fail_here("unsupported: several subscripts in one bracket");
  tokens_.expect_operator("]");
  adopt(*item, std::move(node));
  adopt(*item, std::move(first));
  return item;
}

ExpressionPtr ExpressionParser::slice(ExpressionPtr node, ExpressionPtr first) {
  auto result = make(ExpressionKind::kSlice);
  adopt(*result, std::move(node));
  adopt(*result, std::move(first));
  for (int part = 0; part < 2; ++part) {
    const bool is_given =
        tokens_.skip_operator(":") && !tokens_.at_operator("]") && !tokens_.at_operator(":");
    adopt(*result, is_given ? expression() : nullptr);
  }
  tokens_.expect_operator("]");
  return result;
}

ExpressionPtr ExpressionParser::filters_and_tests(ExpressionPtr node) {
  while (true) {
    if (tokens_.skip_operator("|")) {
      node = filter(std::move(node));
    } else if (tokens_.skip_name("is")) {
      node = test(std::move(node));
    } else if (tokens_.at_operator("(")) {  // what a filter gives may be called
      auto call = make(ExpressionKind::kCall);
      adopt(*call, std::move(node));
      arguments(*call);
      node = std::move(call);
    } else {
      return node;
    }
  }
}

ExpressionPtr ExpressionParser::filter(ExpressionPtr node) {
  auto result = make(ExpressionKind::kFilter, tokens_.expect_name());
  adopt(*result, std::move(node));
  if (tokens_.at_operator("(")) arguments(*result);
  return result;
}

ExpressionPtr ExpressionParser::block_filters() {
  auto node = filter(make(ExpressionKind::kBlockText));
  while (tokens_.skip_operator("|")) node = filter(std::move(node));
  return node;
}

ExpressionPtr ExpressionParser::test(ExpressionPtr node) {
  const bool is_negated = tokens_.skip_name("not");
  auto result = make(ExpressionKind::kTest, tokens_.expect_name());
  adopt(*result, std::move(node));
  const bool ends = tokens_.at_name("else") || tokens_.at_name("or") || tokens_.at_name("and");
  const bool has_operand = tokens_.at(TokenType::kName) || tokens_.at(TokenType::kString) ||
                           tokens_.at(TokenType::kInteger) || tokens_.at(TokenType::kFloat) ||
                           tokens_.at_operator("[") || tokens_.at_operator("{");
  if (tokens_.at_operator("(")) {
    arguments(*result);
  } else if (has_operand && !ends) {
    if (tokens_.at_name("is")) tokens_.fail_here("tests cannot be chained with 'is'");
    adopt(*result, postfix(primary()));
  }
  if (!is_negated) return result;
  auto negation = make(ExpressionKind::kNot);
  adopt(*negation, std::move(result));
  return negation;
}

void ExpressionParser::arguments(Expression& call) {
  tokens_.expect_operator("(");
  for (bool is_first = true; !tokens_.at_operator(")"); is_first = false) {
    if (!is_first) tokens_.expect_operator(",");
    if (tokens_.at_operator(")")) break;
    if (tokens_.at_operator("*") || tokens_.at_operator("**")) {
      tokens_.fail_here("unsupported: arguments from a list or dict (", tokens_.shown(), ")");
    }
    if (tokens_.at(TokenType::kName) && tokens_.next_is_operator("=")) {
      std::string name = tokens_.take().text;
      tokens_.take();
      auto value = expression();
      call.depth = std::max(call.depth, value->depth + 1);
      call.named.emplace_back(std::move(name), std::move(value));
    } else {
      if (!call.named.empty()) tokens_.fail_here("a positional argument follows a named one");
      adopt(call, expression());
    }
  }
  tokens_.expect_operator(")");
}

}  // namespace assay::jinja
