#include "chat/value.h"

#include <algorithm>
#include <cmath>

#include "chat/python_text.h"

namespace assay::jinja {
namespace {

int depth_of(const Value& value) {
  if (const auto* sequence = value.sequence()) return sequence->depth;
  if (const auto* dict = value.dict()) return dict->depth;
  return 0;
}

int checked_depth(int depth) {
  if (depth > kMaxValueDepth) fault("a value is nested deeper than ", kMaxValueDepth, " levels");
  return depth;
}

}  // namespace

const std::string* Value::text() const {
  const auto* text = as<Text>();
  return text == nullptr ? nullptr : text->utf8.get();
}

const Sequence* Value::sequence() const {
  const auto* shared = as<std::shared_ptr<const Sequence>>();
  return shared == nullptr ? nullptr : shared->get();
}

const Dict* Value::dict() const {
  const auto* shared = as<std::shared_ptr<const Dict>>();
  return shared == nullptr ? nullptr : shared->get();
}

std::optional<int64_t> Value::integer() const {
  if (const auto* flag = as<bool>()) return *flag ? 1 : 0;
  if (const auto* number = as<int64_t>()) return *number;
  return std::nullopt;
}

std::optional<double> Value::number() const {
  if (const auto* number = as<double>()) return *number;
  if (const auto whole = integer()) return static_cast<double>(*whole);
  return std::nullopt;
}

const Value* Dict::find(const std::string& key) const {
  const auto found = index_of.find(key);
  return found == index_of.end() ? nullptr : &members[found->second].second;
}

Value make_text(Budget& budget, std::string utf8, bool is_markup) {
  budget.spend(utf8.size());
  return Value(Text{std::make_shared<const std::string>(std::move(utf8)), is_markup});
}

Value make_sequence(Budget& budget, SequenceKind kind, std::vector<Value> elements) {
  budget.spend(kElementWork * (elements.size() + 1));
  int depth = 0;
  for (const Value& element : elements) depth = std::max(depth, depth_of(element));
  return Value(std::make_shared<const Sequence>(
      Sequence{.kind = kind, .elements = std::move(elements), .depth = checked_depth(depth + 1)}));
}

Value make_dict(Budget& budget, std::vector<std::pair<Value, Value>> members) {
  auto dict = std::make_shared<Dict>();
  for (auto& [key, value] : members) {
    budget.spend(3 * kElementWork);
    std::string hash = hash_key(budget, key);
    dict->depth = std::max({dict->depth, depth_of(key) + 1, depth_of(value) + 1});
    const auto [place, is_new] = dict->index_of.emplace(std::move(hash), dict->members.size());
    if (is_new) {
      dict->members.emplace_back(std::move(key), std::move(value));
    } else {
      dict->members[place->second].second = std::move(value);
    }
  }
  checked_depth(dict->depth);
  return Value(std::shared_ptr<const Dict>(std::move(dict)));
}

Value make_undefined(std::string message) {
  return Value(Undefined{std::make_shared<const std::string>(std::move(message))});
}

Value make_callable(Value self, std::string name) {
  return Value(std::make_shared<const Callable>(Callable{std::move(self), std::move(name)}));
}

Value from_json(Budget& budget, const Json& json) {
  if (json.is_null()) return {};
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_float()) return json.get<double>();
  if (json.is_number_integer()) {
    if (json.is_number_unsigned() && !std::in_range<int64_t>(json.get<uint64_t>())) {
      fault("unsupported: an integer beyond 64 bits");
    }
    return json.get<int64_t>();
  }
  if (json.is_string()) {
    const auto& text = json.get_ref<const std::string&>();
    if (first_invalid_utf8(text)) fault("a variable holds text that is not UTF-8");
    return make_text(budget, text);
  }
  if (json.is_array()) {
    std::vector<Value> elements;
    for (const Json& element : json) elements.push_back(from_json(budget, element));
    return make_sequence(budget, SequenceKind::kList, std::move(elements));
  }
  std::vector<std::pair<Value, Value>> members;
  for (const auto& [key, value] : json.items()) {
    members.emplace_back(from_json(budget, Json(key)), from_json(budget, value));
  }
  return make_dict(budget, std::move(members));
}

std::string hash_key(Budget& budget, const Value& value) {
  budget.spend(kStepWork);
  if (const auto* text = value.text()) {
    budget.spend(text->size());
    return "s" + *text;
  }
  if (value.is_none()) return "n";
  if (const auto whole = value.integer()) return "i" + std::to_string(*whole);
  if (const auto* number = value.as<double>()) {
    const bool is_whole = std::trunc(*number) == *number && std::abs(*number) < 9e15;
    return "i" + (is_whole ? std::to_string(static_cast<int64_t>(*number)) : float_text(*number));
  }
  const auto* sequence = value.sequence();
  if (sequence == nullptr || sequence->kind != SequenceKind::kTuple) {
    fault("unhashable type: '", type_name(value), "'");
  }
  std::string key = "t";
  for (const Value& element : sequence->elements) {
    const std::string part = hash_key(budget, element);
    budget.spend(part.size());
    key += std::to_string(part.size()) + ":" + part;
  }
  return key;
}

bool truth(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  if (const auto number = value.number()) return *number != 0;
  if (const auto* text = value.text()) return !text->empty();
  if (const auto* dict = value.dict()) return !dict->members.empty();
  if (const auto* sequence = value.sequence()) {
    return sequence->kind == SequenceKind::kIterator || !sequence->elements.empty();
  }
  return true;
}

size_t length(const Value& value) {
  if (value.is_undefined()) return 0;
  if (const auto* text = value.text()) return count_code_points(*text);
  if (const auto* dict = value.dict()) return dict->members.size();
  if (const auto* loop = value.as<std::shared_ptr<const Loop>>()) {
    return (*loop)->items->elements.size();
  }
  const auto* sequence = value.sequence();
  if (sequence == nullptr || sequence->kind == SequenceKind::kIterator) {
    fault("object of type '", type_name(value), "' has no len()");
  }
  return sequence->elements.size();
}

std::vector<Value> elements_of(Budget& budget, const Value& value) {
  std::vector<Value> elements;
  if (value.is_undefined()) return elements;
  if (const auto* text = value.text()) {
    for (const std::string_view c : code_points(*text)) {
      budget.spend(kElementWork);
      elements.push_back(make_text(budget, std::string(c)));
    }
  } else if (const auto* dict = value.dict()) {
    budget.spend(kElementWork * dict->members.size());
    for (const auto& [key, member] : dict->members) elements.push_back(key);
  } else if (const auto* sequence = value.sequence()) {
    budget.spend(kElementWork * (sequence->elements.size() - sequence->next));
    elements.assign(sequence->elements.begin() + static_cast<int64_t>(sequence->next),
                    sequence->elements.end());
    if (sequence->kind == SequenceKind::kIterator) sequence->next = sequence->elements.size();
  } else {
    fault("'", type_name(value), "' object is not iterable");
  }
  return elements;
}

std::string_view type_name(const Value& value) {
  constexpr std::string_view kNames[] = {"Undefined", "NoneType", "bool",        "int",
                                         "float",     "str",      "list",        "dict",
                                         "Namespace", "Macro",    "LoopContext", "function"};
  constexpr std::string_view kSequences[] = {"list",        "tuple",      "range",    "dict_keys",
                                             "dict_values", "dict_items", "generator"};
  if (const auto* sequence = value.sequence()) return kSequences[static_cast<int>(sequence->kind)];
  return kNames[value.data().index()];
}

void fault_undefined(const Undefined& undefined) { throw Fault(*undefined.message); }

void require_defined(const Value& value) {
  if (const auto* undefined = value.as<Undefined>()) fault_undefined(*undefined);
}

}  // namespace assay::jinja
