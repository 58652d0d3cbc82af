#pragma once
// Walks a template's tree.

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "chat/environment.h"
#include "chat/template.h"

namespace assay::jinja {

// Names that a statement sees: its own and those around it.
struct Scope {
  Scope* outer = nullptr;
  std::unordered_map<std::string, Value> names = {};
  bool is_captured = false;  // by a macro, which may be called when the statement is done
};

// A macro, or the body of a call statement.
struct Macro {
  const Statement* definition;
  Scope* scope;  // where it was defined
};

class Interpreter {
 public:
  Interpreter(const Json& variables, const RenderOptions& options);
  std::string run(const Block& block);

 private:
  enum class Flow { kOn, kBreak, kContinue };
  class InnerScope;  // chat/scopes.h
  class Deeper;

  Flow execute(const Block& block);
  Flow execute(const Statement& statement);
  Flow execute_unguarded(const Statement& statement);
  Flow execute_if(const Statement& statement);
  Flow execute_for(const Statement& statement);
  std::vector<Value> wanted_items(const Statement& statement);
  Flow execute_scope(const Statement& statement);
  Flow execute_block_set(const Statement& statement);
  void execute_call(const Statement& statement);
  void write(const std::string& text);
  void assign(const Expression& target, const Value& value);
  void define(const std::string& name, Value value) { scope_->names[name] = std::move(value); }
  // The text that a block makes, in a scope of its own.
  Value captured(const Block& block, Flow& flow);
  Value filtered(const ExpressionPtr& filters, Value text);

  Value evaluate(const Expression& expression);
  Value evaluate_unguarded(const Expression& expression);
  Value evaluate_or_none(const ExpressionPtr& expression);
  Value dict_of(const Expression& expression);
  Value comparison(const Expression& expression);
  bool compares(const std::string& op, const Value& a, const Value& b);
  Value concatenation(const Expression& expression);
  static Value required_number(Value value, std::string_view sign);
  Value conditional(const Expression& expression);
  Value call(const Expression& expression, const Value* caller);
  Value call_macro(const Macro& macro, Arguments arguments);
  void bind_parameters(const Macro& macro, Arguments arguments);
  static void require_open_name(const std::string& name);
  Value new_namespace(const Arguments& arguments);
  Arguments arguments_of(const Expression& expression);
  Value named(const std::string& name);
  const Value* find(const std::string& name) const;
  Value macro_value(const Statement& statement);

  Budget budget_;
  Limits limits_;
  Environment environment_;
  Scope globals_, top_;
  Scope* scope_ = &top_;
  std::vector<std::unique_ptr<Scope>> kept_scopes_;  // that macros captured
  std::deque<Macro> macros_;
  std::deque<Namespace> namespaces_;
  std::string* out_ = nullptr;
  std::vector<Value> block_texts_;  // what the filters of blocks work on
  int depth_ = 0;
};

}  // namespace assay::jinja
