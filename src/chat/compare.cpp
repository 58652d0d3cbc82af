// Equality, order and membership of values (declared in chat/value.h).

#include <algorithm>

#include "chat/python_text.h"
#include "chat/value.h"

namespace assay::jinja {
namespace {

int sign(auto a, auto b) { return a < b ? -1 : b < a ? 1 : 0; }

// Lists and tuples equal only their own kind; so do ranges and views.
bool equal_sequences(Budget& budget, const Sequence& a, const Sequence& b) {
  if (&a == &b) return true;
  const bool are_comparable =
      a.kind == b.kind && a.kind != SequenceKind::kIterator && a.kind != SequenceKind::kValues;
  if (!are_comparable || a.elements.size() != b.elements.size()) return false;
  if (a.kind == SequenceKind::kKeys || a.kind == SequenceKind::kItems) {
    fault("unsupported: comparison of views of a dict");
  }
  for (size_t i = 0; i < a.elements.size(); ++i) {
    if (!equal(budget, a.elements[i], b.elements[i])) return false;
  }
  return true;
}

bool equal_dicts(Budget& budget, const Dict& a, const Dict& b) {
  if (a.members.size() != b.members.size()) return false;
  return std::ranges::all_of(a.index_of, [&](const auto& entry) {
    const Value* other = b.find(entry.first);
    return other != nullptr && equal(budget, a.members[entry.second].second, *other);
  });
}

int order_numbers(const Value& a, const Value& b) {
  const auto left = a.integer(), right = b.integer();
  if (left && right) return sign(*left, *right);
  return sign(*a.number(), *b.number());
}

int order_sequences(Budget& budget, const Sequence& a, const Sequence& b, std::string_view op) {
  const size_t shorter = std::min(a.elements.size(), b.elements.size());
  for (size_t i = 0; i < shorter; ++i) {
    if (equal(budget, a.elements[i], b.elements[i])) continue;
    return order(budget, a.elements[i], b.elements[i], op);
  }
  return sign(a.elements.size(), b.elements.size());
}

bool sequence_contains(Budget& budget, const Sequence& sequence, const Value& element) {
  for (size_t i = sequence.next; i < sequence.elements.size(); ++i) {
    const bool found = equal(budget, sequence.elements[i], element);
    if (sequence.kind == SequenceKind::kIterator) sequence.next = i + 1;
    if (found) return true;
  }
  return false;
}

}  // namespace

bool equal(Budget& budget, const Value& a, const Value& b) {
  budget.spend(kStepWork);
  if (a.number() && b.number()) return order_numbers(a, b) == 0;
  if (a.data().index() != b.data().index()) return false;
  if (const auto* text = a.text()) {
    budget.spend(std::min(text->size(), b.text()->size()));
    return *text == *b.text();
  }
  if (const auto* sequence = a.sequence()) return equal_sequences(budget, *sequence, *b.sequence());
  if (const auto* dict = a.dict()) return equal_dicts(budget, *dict, *b.dict());
  if (const auto* names = a.as<Namespace*>()) return *names == *b.as<Namespace*>();
  if (const auto* macro = a.as<const Macro*>()) return *macro == *b.as<const Macro*>();
  if (a.is_undefined() || a.is_none()) return true;
  fault("unsupported: comparison of ", type_name(a));
}

int order(Budget& budget, const Value& a, const Value& b, std::string_view op) {
  budget.spend(kStepWork);
  require_defined(a);
  require_defined(b);
  if (a.number() && b.number()) return order_numbers(a, b);
  if (a.text() != nullptr && b.text() != nullptr) {
    budget.spend(std::min(a.text()->size(), b.text()->size()));
    return a.text()->compare(*b.text());  // the order of UTF-8 is that of code points
  }
  const Sequence *left = a.sequence(), *right = b.sequence();
  const bool are_ordered =
      left != nullptr && right != nullptr && left->kind == right->kind &&
      (left->kind == SequenceKind::kList || left->kind == SequenceKind::kTuple);
  if (are_ordered) return order_sequences(budget, *left, *right, op);
  fault("'", op, "' not supported between instances of '", type_name(a), "' and '", type_name(b),
        "'");
}

bool contains(Budget& budget, const Value& container, const Value& element) {
  if (container.is_undefined()) return false;
  if (const auto* text = container.text()) {
    const auto* part = element.text();
    if (part == nullptr) {
      fault("'in <string>' requires string as left operand, not ", type_name(element));
    }
    return find_text(budget, *text, *part).has_value();
  }
  if (const auto* dict = container.dict()) {
    if (element.is_undefined()) return false;
    return dict->find(hash_key(budget, element)) != nullptr;
  }
  if (const auto* sequence = container.sequence()) {
    return sequence_contains(budget, *sequence, element);
  }
  fault("argument of type '", type_name(container), "' is not iterable");
}

}  // namespace assay::jinja
