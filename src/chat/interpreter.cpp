// Statements (declared in chat/interpreter.h).

#include "chat/interpreter.h"

#include <algorithm>

#include "chat/lexer.h"
#include "chat/parser.h"
#include "chat/scopes.h"

namespace assay::jinja {

Interpreter::Interpreter(const Json& variables, const RenderOptions& options)
    : budget_(options.limits.max_work),
      limits_(options.limits),
      environment_{.budget = budget_, .now = options.now},
      top_{.outer = &globals_} {
  require(variables.is_object(), "the variables must be an object, got ", variables.type_name());
  for (const auto& [name, value] : variables.items()) {
    globals_.names[name] = from_json(budget_, value);
  }
}

std::string Interpreter::run(const Block& block) {
  std::string text;
  out_ = &text;
  execute(block);
  return text;
}

void Interpreter::write(const std::string& text) {
  if (text.size() > limits_.max_output - std::min(limits_.max_output, out_->size())) {
    fault("the text is longer than ", limits_.max_output, " bytes");
  }
  *out_ += text;
}

Interpreter::Flow Interpreter::execute(const Block& block) {
  for (const Statement& statement : block) {
    if (const Flow flow = execute(statement); flow != Flow::kOn) return flow;
  }
  return Flow::kOn;
}

Interpreter::Flow Interpreter::execute(const Statement& statement) {
  try {
    budget_.spend(kStepWork);
    const Deeper deeper(depth_, limits_.max_depth);
    return execute_unguarded(statement);
  } catch (const Fault& e) {
    fail(ErrorKind::kBadInput, "line ", statement.line, ": ", e.what());
  }
}

Interpreter::Flow Interpreter::execute_unguarded(const Statement& statement) {
  switch (statement.kind) {
    case StatementKind::kData:
      budget_.spend(statement.text.size());
      write(statement.text);
      return Flow::kOn;
    case StatementKind::kOutput:
      write(printed(budget_, evaluate(*statement.value)));
      return Flow::kOn;
    case StatementKind::kIf:
      return execute_if(statement);
    case StatementKind::kFor:
      return execute_for(statement);
    case StatementKind::kSet:
      assign(*statement.target, evaluate(*statement.value));
      return Flow::kOn;
    case StatementKind::kSetBlock:
    case StatementKind::kFilterBlock:
      return execute_block_set(statement);
    case StatementKind::kMacro:
      define(statement.text, macro_value(statement));
      return Flow::kOn;
    case StatementKind::kCall: {
      const Value caller = macro_value(statement);
      write(printed(budget_, call(*statement.value, &caller)));
      return Flow::kOn;
    }
    case StatementKind::kScope:
      return execute_scope(statement);
    case StatementKind::kBreak:
      return Flow::kBreak;
    case StatementKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kOn;
}

Interpreter::Flow Interpreter::execute_if(const Statement& statement) {
  for (const Statement& branch : statement.branches) {
    if (truth(evaluate(*branch.value))) return execute(branch.body);
  }
  return execute(statement.otherwise);
}

// What the loop walks over: the elements that meet its condition.
std::vector<Value> Interpreter::wanted_items(const Statement& statement) {
  auto items = elements_of(budget_, evaluate(*statement.value));
  if (statement.condition == nullptr) return items;
  std::erase_if(items, [&](const Value& item) {
    const InnerScope scope(*this);
    assign(*statement.target, item);
    return !truth(evaluate(*statement.condition));
  });
  return items;
}

Interpreter::Flow Interpreter::execute_for(const Statement& statement) {
  const Value items = make_sequence(budget_, SequenceKind::kList, wanted_items(statement));
  const auto shared = *items.as<std::shared_ptr<const Sequence>>();
  // As in jinja2, an iteration that break or continue leaves does not count against the else.
  bool one_was_completed = false;
  for (size_t i = 0; i < shared->elements.size(); ++i) {
    budget_.spend(2 * kElementWork);
    const InnerScope scope(*this);
    assign(*statement.target, shared->elements[i]);
    define("loop", Value(std::make_shared<const Loop>(Loop{.items = shared, .index0 = i})));
    const Flow flow = execute(statement.body);
    if (flow == Flow::kBreak) break;
    if (flow == Flow::kOn) one_was_completed = true;
  }
  if (one_was_completed) return Flow::kOn;
  const InnerScope scope(*this);
  return execute(statement.otherwise);
}

Interpreter::Flow Interpreter::execute_scope(const Statement& statement) {
  std::vector<Value> values;
  for (const auto& [target, value] : statement.assignments) values.push_back(evaluate(*value));
  const InnerScope scope(*this);
  for (size_t i = 0; i < values.size(); ++i) assign(*statement.assignments[i].first, values[i]);
  return execute(statement.body);
}

Interpreter::Flow Interpreter::execute_block_set(const Statement& statement) {
  Flow flow = Flow::kOn;
  Value text = captured(statement.body, flow);
  if (flow != Flow::kOn) return flow;
  if (statement.value != nullptr) text = filtered(statement.value, std::move(text));
  if (statement.kind == StatementKind::kSetBlock) {
    assign(*statement.target, text);
  } else {
    write(printed(budget_, text));
  }
  return Flow::kOn;
}

Value Interpreter::captured(const Block& block, Flow& flow) {
  std::string text;
  const Restored restored(out_, std::exchange(out_, &text));
  const InnerScope scope(*this);
  flow = execute(block);
  return make_text(budget_, std::move(text));
}

Value Interpreter::filtered(const ExpressionPtr& filters, Value text) {
  block_texts_.push_back(std::move(text));
  Value result = evaluate(*filters);
  block_texts_.pop_back();
  return result;
}

void Interpreter::assign(const Expression& target, const Value& value) {
  if (target.kind == ExpressionKind::kName) return define(target.text, value);
  if (target.kind == ExpressionKind::kAttribute) {
    const Value owner = evaluate(*target.operands[0]);
    const auto* names = owner.as<Namespace*>();
    if (names == nullptr) fault("cannot assign attribute on non-namespace object");
    require_open_name(target.text);
    auto& members = (*names)->members;
    budget_.spend(members.size());
    const auto found =
        std::ranges::find(members, target.text, &std::pair<std::string, Value>::first);
    if (found != members.end()) {
      found->second = value;
    } else {
      budget_.spend(kElementWork);
      members.emplace_back(target.text, value);
    }
    return;
  }
  const auto parts = elements_of(budget_, value);
  if (value.is_undefined() || parts.size() != target.operands.size()) {
    fault("cannot unpack ", parts.size(), " values into ", target.operands.size(), " names");
  }
  for (size_t i = 0; i < parts.size(); ++i) assign(*target.operands[i], parts[i]);
}

Template parse(std::string_view text) {
  return {std::make_shared<const Block>(parse_block(lex(text)))};
}

std::string render(const Template& chat_template, const Json& variables,
                   const RenderOptions& options) {
  try {
    return Interpreter(variables, options).run(*chat_template.statements);
  } catch (const Fault& e) {  // while the variables were taken in
    fail(ErrorKind::kBadInput, e.what());
  }
}

}  // namespace assay::jinja
