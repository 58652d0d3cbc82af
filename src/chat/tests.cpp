// The tests behind `is`, and the functions of the environment (declared in chat/environment.h).

#include <algorithm>
#include <array>

#include "chat/environment.h"
#include "chat/python_text.h"

namespace assay::jinja {
namespace {

struct TestCall {
  Environment& environment;
  std::string_view name;
  const Value& value;
  const std::vector<const Value*>& operands;
};

bool is_kind(const TestCall& call) {
  const Value& value = call.value;
  const bool is_flag = value.as<bool>() != nullptr;
  if (call.name == "defined") return !value.is_undefined();
  if (call.name == "undefined") return value.is_undefined();
  if (call.name == "none") return value.is_none();
  if (call.name == "boolean") return is_flag;
  if (call.name == "true") return is_flag && truth(value);
  if (call.name == "false") return is_flag && !truth(value);
  if (call.name == "string") return value.text() != nullptr;
  if (call.name == "number") return value.number().has_value();
  if (call.name == "integer") return value.integer() && !is_flag;
  if (call.name == "float") return value.as<double>() != nullptr;
  return value.dict() != nullptr;  // mapping
}

bool iterable(const TestCall& call) {
  return call.value.text() != nullptr || call.value.dict() != nullptr ||
         call.value.sequence() != nullptr || call.value.is_undefined();
}

bool sequence(const TestCall& call) {
  const auto* sequence = call.value.sequence();
  if (sequence == nullptr) return iterable(call);
  return sequence->kind == SequenceKind::kList || sequence->kind == SequenceKind::kTuple ||
         sequence->kind == SequenceKind::kRange;
}

bool callable(const TestCall& call) {
  return call.value.as<const Macro*>() != nullptr || call.value.is_undefined() ||
         call.value.as<std::shared_ptr<const Callable>>() != nullptr;
}

bool has_case(const TestCall& call) {
  const std::string text = printed(call.environment.budget, call.value);
  return is_of_class(text, call.name == "lower" ? TextClass::kLower : TextClass::kUpper);
}

bool divides(const TestCall& call, int64_t divisor) {
  const Value remainder = arithmetic(call.environment, "%", call.value, Value(divisor));
  return remainder.number() && *remainder.number() == 0;
}

bool parity(const TestCall& call) {
  if (call.name == "even") return divides(call, 2);
  const Value remainder = arithmetic(call.environment, "%", call.value, Value(int64_t{2}));
  return remainder.number() && *remainder.number() == 1;
}

bool divisible(const TestCall& call) {
  return divides(call, whole_argument("divisibleby", call.operands[0]));
}

bool equals(const TestCall& call) {
  const bool are_equal = equal(call.environment.budget, call.value, *call.operands[0]);
  return (call.name == "ne" || call.name == "!=") ? !are_equal : are_equal;
}

bool compares(const TestCall& call) {
  const bool is_less = call.name.starts_with('l') || call.name.starts_with('<');
  const bool with_equal = call.name.ends_with('e') || call.name.ends_with('=');
  const int compared = order(call.environment.budget, call.value, *call.operands[0],
                             is_less ? (with_equal ? "<=" : "<") : (with_equal ? ">=" : ">"));
  return (with_equal && compared == 0) || (is_less ? compared < 0 : compared > 0);
}

bool in(const TestCall& call) {
  return contains(call.environment.budget, *call.operands[0], call.value);
}

// Identity is defined here for what Python has one of.
bool sameas(const TestCall& call) {
  const Value& other = *call.operands[0];
  if (call.value.data().index() != other.data().index()) return false;
  if (call.value.is_none()) return true;
  if (call.value.as<bool>() != nullptr) return truth(call.value) == truth(other);
  fault("unsupported: the test 'sameas' of a ", type_name(other));
}

struct Test {
  std::string_view name;
  size_t num_operands;
  bool (*apply)(const TestCall&);
};

constexpr std::array kTests = std::to_array<Test>({
    {"!=", 1, equals},
    {"<", 1, compares},
    {"<=", 1, compares},
    {"==", 1, equals},
    {">", 1, compares},
    {">=", 1, compares},
    {"boolean", 0, is_kind},
    {"callable", 0, callable},
    {"defined", 0, is_kind},
    {"divisibleby", 1, divisible},
    {"eq", 1, equals},
    {"equalto", 1, equals},
    {"even", 0, parity},
    {"false", 0, is_kind},
    {"float", 0, is_kind},
    {"ge", 1, compares},
    {"greaterthan", 1, compares},
    {"gt", 1, compares},
    {"in", 1, in},
    {"integer", 0, is_kind},
    {"iterable", 0, iterable},
    {"le", 1, compares},
    {"lessthan", 1, compares},
    {"lower", 0, has_case},
    {"lt", 1, compares},
    {"mapping", 0, is_kind},
    {"ne", 1, equals},
    {"none", 0, is_kind},
    {"number", 0, is_kind},
    {"odd", 0, parity},
    {"sameas", 1, sameas},
    {"sequence", 0, sequence},
    {"string", 0, is_kind},
    {"true", 0, is_kind},
    {"undefined", 0, is_kind},
    {"upper", 0, has_case},
});

Value range(Environment& environment, const Arguments& arguments) {
  constexpr int64_t kMaxRange = 100'000;  // of jinja2's sandbox
  const auto args = bind("range", arguments, {"start", "stop", "step"}, 1);
  int64_t start = 0, stop = whole_argument("range", args[0]);
  if (args[1] != nullptr) start = std::exchange(stop, whole_argument("range", args[1]));
  const int64_t step = whole_argument("range", args[2], 1);
  if (step == 0) fault("range() arg 3 must not be zero");
  std::vector<Value> elements;
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (std::ssize(elements) == kMaxRange) {
      fault("Range too big. The sandbox blocks ranges larger than MAX_RANGE (", kMaxRange, ").");
    }
    elements.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return make_sequence(environment.budget, SequenceKind::kRange, std::move(elements));
}

Value dict(Environment& environment, const Arguments& arguments) {
  std::vector<std::pair<Value, Value>> members;
  if (arguments.positional.size() > 1) fault("dict expected at most 1 argument");
  if (!arguments.positional.empty()) {
    const auto* other = arguments.positional[0].dict();
    if (other == nullptr) fault("unsupported: dict() of a ", type_name(arguments.positional[0]));
    members = other->members;
  }
  for (const auto& [name, value] : arguments.named) {
    members.emplace_back(make_text(environment.budget, name), value);
  }
  return make_dict(environment.budget, std::move(members));
}

}  // namespace

bool apply_test(Environment& environment, const std::string& name, const Value& value,
                const Arguments& arguments) {
  environment.budget.spend(kStepWork);
  const auto found = std::ranges::find(kTests, name, &Test::name);
  if (found == kTests.end()) fault("unsupported test '", name, "'");
  const auto operands =
      found->num_operands == 0 ? bind(name, arguments, {}) : bind(name, arguments, {"other"}, 1);
  return found->apply({environment, found->name, value, operands});
}

bool is_function(std::string_view name) {
  static constexpr std::array<std::string_view, 4> kFunctions = {"dict", "raise_exception", "range",
                                                                 "strftime_now"};
  return std::ranges::find(kFunctions, name) != kFunctions.end();
}

Value call_function(Environment& environment, const std::string& name, const Arguments& arguments) {
  if (name == "range") return range(environment, arguments);
  if (name == "dict") return dict(environment, arguments);
  if (name == "raise_exception") {
    const auto args = bind(name, arguments, {"message"}, 1);
    throw Fault(printed(environment.budget, *args[0]));
  }
  const auto args = bind(name, arguments, {"format"}, 1);
  if (!environment.now) fault("the template asks for the date, and none was given");
  return make_text(environment.budget,
                   formatted_time(*environment.now, text_argument(name, args[0])));
}

}  // namespace assay::jinja
