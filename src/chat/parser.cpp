#include "chat/parser.h"

#include <algorithm>

#include "chat/parse_expression.h"

namespace assay::jinja {
namespace {

using Words = std::initializer_list<std::string_view>;

class Parser {
 public:
  explicit Parser(const std::vector<Token>& tokens) : tokens_(tokens), expressions_(tokens_) {}

  Block run() { return block({}); }

 private:
  Statement make(StatementKind kind) const {
    Statement statement;
    statement.kind = kind;
    statement.line = tokens_.line();
    return statement;
  }

  bool at_any(Words words) const {
    return std::ranges::any_of(words, [&](std::string_view word) { return tokens_.at_name(word); });
  }

  // Statements up to a tag that starts with one of `ends` (its name is the current token), or to
  // the end of the template where there are none.
  Block block(Words ends) {
    Block statements;
    while (true) {
      if (tokens_.at(TokenType::kData)) {
        statements.push_back(make(StatementKind::kData));
        statements.back().text = tokens_.take().text;
      } else if (tokens_.at(TokenType::kVariableBegin)) {
        tokens_.take();
        statements.push_back(make(StatementKind::kOutput));
        statements.back().value = expressions_.tuple();
        tokens_.expect(TokenType::kVariableEnd, "'}}'");
      } else if (tokens_.at(TokenType::kBlockBegin)) {
        tokens_.take();
        if (at_any(ends)) return statements;
        statements.push_back(statement());
        tokens_.expect(TokenType::kBlockEnd, "'%}'");
      } else {
        if (ends.size() > 0) tokens_.fail_here("the tag '", *std::prev(ends.end()), "' is missing");
        return statements;
      }
    }
  }

  // The body of a tag, its own "%}" included.
  Block body(Words ends) {
    tokens_.skip_operator(":");
    tokens_.expect(TokenType::kBlockEnd, "'%}'");
    if (++depth_ > kMaxSyntaxDepth) {
      tokens_.fail_here("statements are nested deeper than ", kMaxSyntaxDepth, " levels");
    }
    Block statements = block(ends);
    --depth_;
    return statements;
  }

  Statement statement() {
    const std::string tag = tokens_.at(TokenType::kName) ? tokens_.current().text : "";
    if (tag.empty()) tokens_.fail_here("expected the name of a tag, got ", tokens_.shown());
    if (tag == "if") return if_statement();
    if (tag == "for") return for_statement();
    if (tag == "set") return set_statement();
    if (tag == "macro") return macro_statement();
    if (tag == "call") return call_statement();
    if (tag == "filter") return filter_statement();
    if (tag == "with") return with_statement();
    if (tag == "generation") return generation_statement();
    if (tag == "break" || tag == "continue") return jump_statement(tag);
    tokens_.fail_here("unsupported tag '", tag, "'");
  }

  // A name or several to assign to; a loop's own name is not free within it.
  ExpressionPtr target(std::string_view end_word = {}) {
    auto names = expressions_.target(end_word);
    const auto is_loop = [](const auto& node) { return node->text == "loop"; };
    if (loops_ > 0 && (is_loop(names) || std::ranges::any_of(names->operands, is_loop))) {
      tokens_.fail_here("cannot assign to 'loop' in a loop");
    }
    return names;
  }

  Statement if_statement() {
    Statement result = make(StatementKind::kIf);
    while (true) {
      Statement branch = make(StatementKind::kScope);
      tokens_.take();  // if, elif
      branch.value = expressions_.tuple(InlineIf::kNotHere);
      branch.body = body({"elif", "else", "endif"});
      result.branches.push_back(std::move(branch));
      if (!tokens_.at_name("elif")) break;
    }
    if (tokens_.skip_name("else")) result.otherwise = body({"endif"});
    tokens_.expect_word("endif");
    return result;
  }

  Statement for_statement() {
    Statement result = make(StatementKind::kFor);
    tokens_.take();
    ++loops_;
    result.target = target("in");
    --loops_;
    tokens_.expect_word("in");
    result.value = expressions_.tuple(InlineIf::kNotHere, "recursive");
    if (tokens_.skip_name("if")) result.condition = expressions_.expression();
    if (tokens_.at_name("recursive")) tokens_.fail_here("unsupported: a recursive for");
    ++loops_;
    result.body = body({"else", "endfor"});
    --loops_;
    if (tokens_.skip_name("else")) result.otherwise = body({"endfor"});
    tokens_.expect_word("endfor");
    return result;
  }

  Statement set_statement() {
    Statement result = make(StatementKind::kSet);
    tokens_.take();
    if (tokens_.at(TokenType::kName) && tokens_.next_is_operator(".")) {
      result.target = namespace_target();
    } else {
      result.target = target();
    }
    if (tokens_.skip_operator("=")) {
      result.value = expressions_.tuple();
      return result;
    }
    result.kind = StatementKind::kSetBlock;
    if (tokens_.skip_operator("|")) result.value = expressions_.block_filters();
    result.body = body({"endset"});
    tokens_.expect_word("endset");
    return result;
  }

  // name.attribute
  ExpressionPtr namespace_target() {
    const auto name = [&] {
      auto node = std::make_unique<Expression>();
      node->kind = ExpressionKind::kName;
      node->line = tokens_.line();
      node->text = tokens_.expect_name();
      return node;
    };
    auto owner = name();
    tokens_.expect_operator(".");
    auto attribute = name();
    attribute->kind = ExpressionKind::kAttribute;
    attribute->operands.push_back(std::move(owner));
    return attribute;
  }

  Signature signature() {
    Signature result;
    tokens_.expect_operator("(");
    while (!tokens_.at_operator(")")) {
      if (!result.parameters.empty()) tokens_.expect_operator(",");
      Parameter parameter{.name = tokens_.expect_name(), .fallback = nullptr};
      if (tokens_.skip_operator("=")) {
        parameter.fallback = expressions_.expression();
      } else if (!result.parameters.empty() && result.parameters.back().fallback != nullptr) {
        tokens_.fail_here("a parameter without a default follows one that has it");
      }
      result.parameters.push_back(std::move(parameter));
    }
    tokens_.expect_operator(")");
    return result;
  }

  // The body of something that is called; notes which of the special names it reads.
  void callable_body(Statement& into, std::string_view end) {
    const size_t before = expressions_.names_read().size();
    const int loops_around = std::exchange(loops_, 0);
    into.body = body({end});
    loops_ = loops_around;
    tokens_.expect_word(end);
    const auto& names = expressions_.names_read();
    const auto reads = [&](std::string_view name) {
      return std::find(names.begin() + static_cast<int64_t>(before), names.end(), name) !=
             names.end();
    };
    into.signature.takes_caller = reads("caller");
    into.signature.takes_varargs = reads("varargs");
    into.signature.takes_kwargs = reads("kwargs");
  }

  Statement macro_statement() {
    Statement result = make(StatementKind::kMacro);
    tokens_.take();
    result.text = tokens_.expect_name();
    result.signature = signature();
    callable_body(result, "endmacro");
    return result;
  }

  Statement call_statement() {
    Statement result = make(StatementKind::kCall);
    tokens_.take();
    if (tokens_.at_operator("(")) result.signature = signature();
    result.value = expressions_.expression();
    if (result.value->kind != ExpressionKind::kCall) tokens_.fail_here("'call' needs a call");
    callable_body(result, "endcall");
    return result;
  }

  Statement filter_statement() {
    Statement result = make(StatementKind::kFilterBlock);
    tokens_.take();
    result.value = expressions_.block_filters();
    result.body = body({"endfilter"});
    tokens_.expect_word("endfilter");
    return result;
  }

  Statement with_statement() {
    Statement result = make(StatementKind::kScope);
    tokens_.take();
    while (!tokens_.at(TokenType::kBlockEnd)) {
      if (!result.assignments.empty()) tokens_.expect_operator(",");
      auto name = target();
      tokens_.expect_operator("=");
      result.assignments.emplace_back(std::move(name), expressions_.expression());
    }
    result.body = body({"endwith"});
    tokens_.expect_word("endwith");
    return result;
  }

  // Marks what the assistant says, for training; the text is that of its body.
  Statement generation_statement() {
    Statement result = make(StatementKind::kScope);
    tokens_.take();
    const int loops_around = std::exchange(loops_, 0);
    result.body = body({"endgeneration"});
    loops_ = loops_around;
    tokens_.expect_word("endgeneration");
    return result;
  }

  Statement jump_statement(const std::string& tag) {
    if (loops_ == 0) tokens_.fail_here("'", tag, "' outside of a loop");
    Statement result = make(tag == "break" ? StatementKind::kBreak : StatementKind::kContinue);
    tokens_.take();
    return result;
  }

  TokenStream tokens_;
  ExpressionParser expressions_;
  int depth_ = 0;
  int loops_ = 0;  // around the current statement
};

}  // namespace

Block parse_block(const std::vector<Token>& tokens) { return Parser(tokens).run(); }

}  // namespace assay::jinja
