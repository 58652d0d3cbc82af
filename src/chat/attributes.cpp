// Attributes, items and slices (declared in chat/environment.h).

#include <algorithm>
#include <array>

#include "chat/environment.h"
#include "chat/python_text.h"

namespace assay::jinja {
namespace {

// "str object", as the messages of jinja2 name a value.
std::string shown_type(const Value& value) {
  if (value.is_none()) return "None";
  if (value.as<Namespace*>() != nullptr) return "jinja2.utils.Namespace object";
  if (value.as<std::shared_ptr<const Loop>>() != nullptr)
    return "jinja2.runtime.LoopContext object";
  return std::string(type_name(value)) + " object";
}

Value missing_attribute(const Value& owner, std::string_view name) {
  return make_undefined("'" + shown_type(owner) + "' has no attribute '" + std::string(name) + "'");
}

Value missing_item(Environment& environment, const Value& owner, const Value& key) {
  if (const auto* name = key.text()) return missing_attribute(owner, *name);
  TextBuilder shown(environment.budget);
  represent(shown, key);
  return make_undefined(shown_type(owner) + " has no element " + shown.take());
}

// Methods that change their value: transformers' sandbox hands out none of them.
bool changes(const Value& owner, std::string_view name) {
  static constexpr std::array<std::string_view, 8> kOfLists = {
      "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"};
  static constexpr std::array<std::string_view, 5> kOfDicts = {"clear", "pop", "popitem",
                                                               "setdefault", "update"};
  if (owner.dict() != nullptr) return std::ranges::find(kOfDicts, name) != kOfDicts.end();
  const auto* sequence = owner.sequence();
  return sequence != nullptr && sequence->kind == SequenceKind::kList &&
         std::ranges::find(kOfLists, name) != kOfLists.end();
}

// An attribute that the value has in Python, other than a member of a dict.
std::optional<Value> own_attribute(const Value& owner, const std::string& name) {
  if (name.starts_with("__") && name.ends_with("__")) {
    return make_undefined("access to attribute '" + name + "' of '" +
                          std::string(type_name(owner)) + "' object is unsafe.");
  }
  if (changes(owner, name)) {
    return make_undefined("access to attribute '" + name + "' of '" +
                          std::string(type_name(owner)) + "' object is unsafe.");
  }
  if (is_method(owner, name)) return make_callable(owner, name);
  if (owner.number() && !owner.as<double>() &&
      (name == "real" || name == "imag" || name == "numerator" || name == "denominator" ||
       name == "bit_length" || name == "bit_count" || name == "conjugate" || name == "to_bytes")) {
    fault("unsupported: the attribute '", name, "' of an integer");
  }
  return std::nullopt;
}

Value loop_attribute(const std::shared_ptr<const Loop>& loop, const Value& owner,
                     const std::string& name) {
  const auto size = static_cast<int64_t>(loop->items->elements.size());
  const auto index0 = static_cast<int64_t>(loop->index0);
  if (name == "index") return index0 + 1;
  if (name == "index0") return index0;
  if (name == "revindex") return size - index0;
  if (name == "revindex0") return size - index0 - 1;
  if (name == "first") return index0 == 0;
  if (name == "last") return index0 + 1 == size;
  if (name == "length") return size;
  if (name == "depth") return int64_t{1};  // it counts levels of recursive loops alone
  if (name == "depth0") return int64_t{0};
  if (name == "cycle") return make_callable(owner, name);
  if (name == "changed") fault("unsupported: loop.changed");
  if (name == "previtem") {
    return index0 > 0 ? loop->items->elements[loop->index0 - 1]
                      : make_undefined("there is no previous item");
  }
  if (name == "nextitem") {
    return index0 + 1 < size ? loop->items->elements[loop->index0 + 1]
                             : make_undefined("there is no next item");
  }
  return missing_attribute(owner, name);
}

const Value* namespace_member(Environment& environment, const Namespace& names,
                              std::string_view name) {
  environment.budget.spend(names.members.size());
  const auto found = std::ranges::find(names.members, name, &std::pair<std::string, Value>::first);
  return found == names.members.end() ? nullptr : &found->second;
}

Value text_item(Environment& environment, const std::string& text, const Value& key,
                const Value& owner) {
  const auto letters = listed_code_points(environment.budget, text);
  int64_t index = *key.integer();
  if (index < 0) index += std::ssize(letters);
  if (index < 0 || index >= std::ssize(letters)) return missing_item(environment, owner, key);
  return make_text(environment.budget, std::string(letters[static_cast<size_t>(index)]));
}

bool can_be_indexed(const Sequence& sequence) {
  return sequence.kind == SequenceKind::kList || sequence.kind == SequenceKind::kTuple ||
         sequence.kind == SequenceKind::kRange;
}

// The indices that a slice of Python takes.
std::vector<int64_t> slice_indices(Budget& budget, int64_t size, const Value& start,
                                   const Value& stop, const Value& step) {
  const auto part = [](const Value& value) -> std::optional<int64_t> {
    require_defined(value);
    if (value.is_none()) return std::nullopt;
    if (!value.integer()) fault("slice indices must be integers or None");
    return value.integer();
  };
  const int64_t stride = part(step).value_or(1);
  if (stride == 0) fault("slice step cannot be zero");
  const int64_t low = stride > 0 ? 0 : -1, high = stride > 0 ? size : size - 1;
  const auto placed = [&](std::optional<int64_t> at, int64_t fallback) {
    if (!at) return fallback;
    return std::clamp(*at < 0 ? *at + size : *at, low, high);
  };
  const int64_t first = placed(part(start), stride > 0 ? low : high);
  const int64_t end = placed(part(stop), stride > 0 ? high : low);
  std::vector<int64_t> indices;
  for (int64_t i = first; stride > 0 ? i < end : i > end;) {
    budget.spend(1);
    indices.push_back(i);
    if (__builtin_add_overflow(i, stride, &i)) break;
  }
  return indices;
}

}  // namespace

Value attribute_of(Environment& environment, const Value& owner, const std::string& name) {
  require_defined(owner);
  if (const auto* names = owner.as<Namespace*>()) {
    const Value* member = namespace_member(environment, **names, name);
    return member != nullptr ? *member : missing_attribute(owner, name);
  }
  if (const auto* loop = owner.as<std::shared_ptr<const Loop>>()) {
    return loop_attribute(*loop, owner, name);
  }
  if (owner.as<const Macro*>() != nullptr ||
      owner.as<std::shared_ptr<const Callable>>() != nullptr) {
    fault("unsupported: the attribute '", name, "' of a ", type_name(owner));
  }
  if (auto own = own_attribute(owner, name)) return *own;
  const Value* member = nullptr;
  if (const auto* dict = owner.dict()) member = dict->find("s" + name);
  environment.budget.spend(name.size());
  return member != nullptr ? *member : missing_attribute(owner, name);
}

Value item_of(Environment& environment, const Value& owner, const Value& key) {
  require_defined(owner);
  const auto* name = key.text();
  if (const auto* names = owner.as<Namespace*>()) {
    const Value* member = name == nullptr ? nullptr : namespace_member(environment, **names, *name);
    return member != nullptr ? *member : missing_item(environment, owner, key);
  }
  if (const auto* dict = owner.dict()) {
    const bool can_be_key =
        key.dict() == nullptr && !key.is_undefined() &&
        (key.sequence() == nullptr || key.sequence()->kind == SequenceKind::kTuple);
    if (const Value* member = can_be_key ? dict->find(hash_key(environment.budget, key)) : nullptr)
      return *member;
  }
  if (name != nullptr && owner.as<std::shared_ptr<const Loop>>() == nullptr) {
    if (auto own = own_attribute(owner, *name)) return *own;
  } else if (name != nullptr) {
    return attribute_of(environment, owner, *name);
  }
  if (key.integer() && owner.text() != nullptr) {
    return text_item(environment, *owner.text(), key, owner);
  }
  const auto* sequence = owner.sequence();
  if (key.integer() && sequence != nullptr && can_be_indexed(*sequence)) {
    int64_t index = *key.integer();
    if (index < 0) index += std::ssize(sequence->elements);
    if (index >= 0 && index < std::ssize(sequence->elements)) {
      return sequence->elements[static_cast<size_t>(index)];
    }
  }
  return missing_item(environment, owner, key);
}

Value slice_of(Environment& environment, const Value& owner, const Value& start, const Value& stop,
               const Value& step) {
  require_defined(owner);
  Budget& budget = environment.budget;
  if (const auto* text = owner.text()) {
    if (owner.as<Text>()->is_markup) fault("unsupported: a slice of safe text");
    const auto letters = listed_code_points(budget, *text);
    TextBuilder out(budget);
    for (const int64_t i : slice_indices(budget, std::ssize(letters), start, stop, step)) {
      out.add(letters[static_cast<size_t>(i)]);
    }
    return make_text(budget, out.take());
  }
  const auto* sequence = owner.sequence();
  if (sequence == nullptr || !can_be_indexed(*sequence)) {
    fault("'", type_name(owner), "' object cannot be sliced");
  }
  std::vector<Value> elements;
  for (const int64_t i : slice_indices(budget, std::ssize(sequence->elements), start, stop, step)) {
    elements.push_back(sequence->elements[static_cast<size_t>(i)]);
  }
  return make_sequence(budget, sequence->kind, std::move(elements));
}

}  // namespace assay::jinja
