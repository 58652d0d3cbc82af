// What operators work on: literals, names, and what is attached behind them (declared in
// chat/parse_expression.h).

#include <algorithm>
#include <charconv>

#include "chat/parse_expression.h"

namespace assay::jinja {

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
