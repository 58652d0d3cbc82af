// Expressions and calls (declared in chat/interpreter.h).

#include <algorithm>
#include <array>

#include "chat/interpreter.h"
#include "chat/scopes.h"

namespace assay::jinja {

Value Interpreter::evaluate(const Expression& expression) {
  try {
    budget_.spend(kStepWork);
    const Deeper deeper(depth_, limits_.max_depth);
    return evaluate_unguarded(expression);
  } catch (const Fault& e) {
    fail(ErrorKind::kBadInput, "line ", expression.line, ": ", e.what());
  }
}

Value Interpreter::evaluate_or_none(const ExpressionPtr& expression) {
  return expression == nullptr ? Value() : evaluate(*expression);
}

Value Interpreter::evaluate_unguarded(const Expression& expression) {
  const auto& operands = expression.operands;
  const auto all = [&] {
    std::vector<Value> values;
    values.reserve(operands.size());
    for (const auto& operand : operands) values.push_back(evaluate(*operand));
    return values;
  };
  switch (expression.kind) {
    case ExpressionKind::kLiteral:
      return expression.value;
    case ExpressionKind::kName:
      return named(expression.text);
    case ExpressionKind::kList:
      return make_sequence(budget_, SequenceKind::kList, all());
    case ExpressionKind::kTuple:
      return make_sequence(budget_, SequenceKind::kTuple, all());
    case ExpressionKind::kDict:
      return dict_of(expression);
    case ExpressionKind::kAttribute:
      return attribute_of(environment_, evaluate(*operands[0]), expression.text);
    case ExpressionKind::kItem: {
      const Value owner = evaluate(*operands[0]);
      return item_of(environment_, owner, evaluate(*operands[1]));
    }
    case ExpressionKind::kSlice: {
      const Value owner = evaluate(*operands[0]), start = evaluate_or_none(operands[1]),
                  stop = evaluate_or_none(operands[2]);
      return slice_of(environment_, owner, start, stop, evaluate_or_none(operands[3]));
    }
    case ExpressionKind::kCall:
      return call(expression, nullptr);
    case ExpressionKind::kFilter: {
      const Value value = evaluate(*operands[0]);
      return apply_filter(environment_, expression.text, value, arguments_of(expression));
    }
    case ExpressionKind::kTest: {
      const Value value = evaluate(*operands[0]);
      return apply_test(environment_, expression.text, value, arguments_of(expression));
    }
    case ExpressionKind::kNot:
      return !truth(evaluate(*operands[0]));
    case ExpressionKind::kAnd: {
      Value left = evaluate(*operands[0]);
      return truth(left) ? evaluate(*operands[1]) : left;
    }
    case ExpressionKind::kOr: {
      Value left = evaluate(*operands[0]);
      return truth(left) ? left : evaluate(*operands[1]);
    }
    case ExpressionKind::kNegative:
      return arithmetic(environment_, "*", required_number(evaluate(*operands[0]), "-"),
                        Value(int64_t{-1}));
    case ExpressionKind::kPositive:
      return arithmetic(environment_, "*", required_number(evaluate(*operands[0]), "+"),
                        Value(int64_t{1}));
    case ExpressionKind::kArithmetic: {
      const Value left = evaluate(*operands[0]);
      return arithmetic(environment_, expression.text, left, evaluate(*operands[1]));
    }
    case ExpressionKind::kConcat:
      return concatenation(expression);
    case ExpressionKind::kComparison:
      return comparison(expression);
    case ExpressionKind::kBlockText:
      return block_texts_.back();
    case ExpressionKind::kConditional:
      return conditional(expression);
  }
  return {};
}

Value Interpreter::required_number(Value value, std::string_view sign) {
  require_defined(value);
  if (!value.number()) fault("bad operand type for unary ", sign, ": '", type_name(value), "'");
  return value;
}

Value Interpreter::dict_of(const Expression& expression) {
  std::vector<std::pair<Value, Value>> members;
  for (size_t i = 0; i < expression.operands.size(); i += 2) {
    Value key = evaluate(*expression.operands[i]);
    members.emplace_back(std::move(key), evaluate(*expression.operands[i + 1]));
  }
  return make_dict(budget_, std::move(members));
}

Value Interpreter::comparison(const Expression& expression) {
  Value left = evaluate(*expression.operands[0]);
  for (size_t i = 0; i < expression.comparisons.size(); ++i) {
    Value right = evaluate(*expression.operands[i + 1]);
    if (!compares(expression.comparisons[i], left, right)) return false;
    left = std::move(right);
  }
  return true;
}

bool Interpreter::compares(const std::string& op, const Value& a, const Value& b) {
  if (op == "==") return equal(budget_, a, b);
  if (op == "!=") return !equal(budget_, a, b);
  if (op == "in") return contains(budget_, b, a);
  if (op == "not in") return !contains(budget_, b, a);
  const int compared = order(budget_, a, b, op);
  return (op.size() == 2 && compared == 0) || (op[0] == '<' ? compared < 0 : compared > 0);
}

Value Interpreter::concatenation(const Expression& expression) {
  TextBuilder out(budget_);
  for (const auto& operand : expression.operands) print(out, evaluate(*operand));
  return make_text(budget_, out.take());
}

Value Interpreter::conditional(const Expression& expression) {
  const auto& operands = expression.operands;
  if (truth(evaluate(*operands[1]))) return evaluate(*operands[0]);
  if (operands[2] != nullptr) return evaluate(*operands[2]);
  return make_undefined("the inline if-expression on line " + std::to_string(expression.line) +
                        " evaluated to false and no else section was defined.");
}

const Value* Interpreter::find(const std::string& name) const {
  for (const Scope* scope = scope_; scope != nullptr; scope = scope->outer) {
    const auto found = scope->names.find(name);
    if (found != scope->names.end()) return &found->second;
  }
  return nullptr;
}

Value Interpreter::named(const std::string& name) {
  if (const Value* found = find(name)) return *found;
  if (is_function(name) || name == "namespace") return make_callable(make_undefined(""), name);
  static constexpr std::array<std::string_view, 5> kOthers = {"cycler", "joiner", "lipsum", "self",
                                                              "super"};
  if (std::ranges::find(kOthers, name) != kOthers.end()) fault("unsupported: '", name, "'");
  return make_undefined("'" + name + "' is undefined");
}

Arguments Interpreter::arguments_of(const Expression& expression) {
  Arguments arguments;
  for (size_t i = 1; i < expression.operands.size(); ++i) {
    arguments.positional.push_back(evaluate(*expression.operands[i]));
  }
  for (const auto& [name, value] : expression.named) {
    arguments.named.emplace_back(name, evaluate(*value));
  }
  return arguments;
}

// `caller` is what a call statement passes along.
Value Interpreter::call(const Expression& expression, const Value* caller) {
  const Value callee = evaluate(*expression.operands[0]);
  Arguments arguments = arguments_of(expression);
  if (caller != nullptr) arguments.named.emplace_back("caller", *caller);
  require_defined(callee);
  if (const auto* macro = callee.as<const Macro*>()) {
    return call_macro(**macro, std::move(arguments));
  }
  const auto* callable = callee.as<std::shared_ptr<const Callable>>();
  if (callable == nullptr) fault("'", type_name(callee), "' object is not callable");
  if (!(*callable)->self.is_undefined()) return call_method(environment_, **callable, arguments);
  if ((*callable)->name == "namespace") return new_namespace(arguments);
  return call_function(environment_, (*callable)->name, arguments);
}

// transformers keeps names of its own out of namespaces.
void Interpreter::require_open_name(const std::string& name) {
  if (!name.starts_with('_')) return;
  fault("Chat templates cannot store underscore-prefixed attributes on a namespace, but got '",
        name, "'. Please rename the attribute.");
}

Value Interpreter::new_namespace(const Arguments& arguments) {
  budget_.spend(kElementWork * (arguments.named.size() + 1));
  Namespace names;
  if (arguments.positional.size() > 1) fault("namespace() takes at most one dict");
  for (const Value& given : arguments.positional) {
    if (given.dict() == nullptr) fault("unsupported: namespace() of a ", type_name(given));
    for (const auto& [key, value] : given.dict()->members) {
      if (key.text() == nullptr) fault("unsupported: namespace() with a key that is no text");
      budget_.spend(kElementWork);
      names.members.emplace_back(*key.text(), value);
    }
  }
  for (const auto& [name, value] : arguments.named) {
    const auto found =
        std::ranges::find(names.members, name, &std::pair<std::string, Value>::first);
    if (found != names.members.end()) {
      found->second = value;
    } else {
      names.members.emplace_back(name, value);
    }
  }
  for (const auto& member : names.members) require_open_name(member.first);
  return Value(&namespaces_.emplace_back(std::move(names)));
}

Value Interpreter::macro_value(const Statement& statement) {
  budget_.spend(2 * kElementWork);
  for (Scope* scope = scope_; scope != nullptr; scope = scope->outer) scope->is_captured = true;
  const Macro* macro = &macros_.emplace_back(Macro{.definition = &statement, .scope = scope_});
  return Value(macro);
}

Value Interpreter::call_macro(const Macro& macro, Arguments arguments) {
  std::string text;
  const Restored restored(out_, std::exchange(out_, &text));
  const InnerScope scope(*this, macro.scope);
  bind_parameters(macro, std::move(arguments));
  execute(macro.definition->body);
  return make_text(budget_, std::move(text));
}

// The names of the macro's body in the current scope; defaults see those before them.
void Interpreter::bind_parameters(const Macro& macro, Arguments arguments) {
  const auto& [parameters, takes_caller, takes_varargs, takes_kwargs] = macro.definition->signature;
  const std::string& name = macro.definition->text;
  auto& positional = arguments.positional;
  auto& named = arguments.named;
  const auto take_named = [&](const std::string& wanted) -> std::optional<Value> {
    const auto found = std::ranges::find(named, wanted, &std::pair<std::string, Value>::first);
    if (found == named.end()) return std::nullopt;
    Value value = std::move(found->second);
    named.erase(found);
    return value;
  };
  std::vector<std::optional<Value>> given(parameters.size());
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (i < positional.size()) {
      given[i] = std::move(positional[i]);
    } else {
      given[i] = take_named(parameters[i].name);
    }
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (given[i]) define(parameters[i].name, std::move(*given[i]));
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (scope_->names.contains(parameters[i].name)) continue;
    define(parameters[i].name,
           parameters[i].fallback != nullptr
               ? evaluate(*parameters[i].fallback)
               : make_undefined("parameter '" + parameters[i].name + "' was not provided"));
  }
  if (takes_caller && !scope_->names.contains("caller")) {
    const auto caller = take_named("caller");
    define("caller", caller ? *caller : make_undefined("No caller defined"));
  }
  if (takes_kwargs) {
    std::vector<std::pair<Value, Value>> members;
    members.reserve(named.size());
    for (auto& [key, value] : named)
      members.emplace_back(make_text(budget_, key), std::move(value));
    named.clear();
    define("kwargs", make_dict(budget_, std::move(members)));
  }
  if (!named.empty()) {
    fault("macro '", name, "' takes no keyword argument '", named[0].first, "'");
  }
  const size_t num_used = std::min(positional.size(), parameters.size());
  positional.erase(positional.begin(), positional.begin() + static_cast<int64_t>(num_used));
  if (takes_varargs) {
    define("varargs", make_sequence(budget_, SequenceKind::kTuple, std::move(positional)));
  } else if (!positional.empty()) {
    fault("macro '", name, "' takes not more than ", parameters.size(), " argument(s)");
  }
}

}  // namespace assay::jinja
