// Filters of lists and dicts (chat/filter_table.h).

#include <algorithm>
#include <array>

#include "chat/filter_table.h"
#include "chat/python_text.h"

namespace assay::jinja {
namespace {

Value list_of(const FilterCall& call, std::vector<Value> elements) {
  return make_sequence(call.budget(), SequenceKind::kList, std::move(elements));
}

// What Python gives as a generator: it can be read once and has no length.
Value iterator_of(const FilterCall& call, std::vector<Value> elements) {
  return make_sequence(call.budget(), SequenceKind::kIterator, std::move(elements));
}

Value list(const FilterCall& call) {
  call.bind({});
  return list_of(call, elements_of(call.budget(), call.value));
}

Value count(const FilterCall& call) {
  call.bind({});
  return static_cast<int64_t>(length(call.value));
}

Value first(const FilterCall& call) {
  call.bind({});
  const auto* sequence = call.value.sequence();
  if (sequence != nullptr && sequence->kind == SequenceKind::kIterator) {
    if (sequence->next < sequence->elements.size()) return sequence->elements[sequence->next++];
    return make_undefined("No first item, sequence was empty.");
  }
  const auto elements = elements_of(call.budget(), call.value);
  return elements.empty() ? make_undefined("No first item, sequence was empty.") : elements.front();
}

void require_reversible(const Value& value) {
  const auto* sequence = value.sequence();
  if (sequence != nullptr && sequence->kind == SequenceKind::kIterator) {
    fault("'generator' object is not reversible");
  }
}

Value last(const FilterCall& call) {
  call.bind({});
  require_reversible(call.value);
  const auto elements = elements_of(call.budget(), call.value);
  return elements.empty() ? make_undefined("No last item, sequence was empty.") : elements.back();
}

Value reverse(const FilterCall& call) {
  call.bind({});
  auto elements = elements_of(call.budget(), call.value);
  std::ranges::reverse(elements);
  if (call.value.text() == nullptr) return iterator_of(call, std::move(elements));
  TextBuilder out(call.budget());
  for (const Value& letter : elements) out.add(*letter.text());
  return make_text(call.budget(), out.take());
}

Value join(const FilterCall& call) {
  const auto args = call.bind({"d", "attribute"});
  const std::string between = args[0] == nullptr ? "" : printed(call.budget(), *args[0]);
  const Value* attribute = args[1] == nullptr || args[1]->is_none() ? nullptr : args[1];
  TextBuilder out(call.budget());
  bool is_first = true;
  for (const Value& element : elements_of(call.budget(), call.value)) {
    if (!is_first) out.add(between);
    is_first = false;
    print(out, looked_up(call.environment, element, attribute));
  }
  return make_text(call.budget(), out.take());
}

Value items(const FilterCall& call) {
  call.bind({});
  if (call.value.is_undefined()) return iterator_of(call, {});
  const auto* dict = call.value.dict();
  if (dict == nullptr) fault("Can only get item pairs from a mapping.");
  std::vector<Value> pairs;
  for (const auto& [key, value] : dict->members) {
    pairs.push_back(make_sequence(call.budget(), SequenceKind::kTuple, {key, value}));
  }
  return iterator_of(call, std::move(pairs));
}

// What sorting compares: text without its case, unless that counts.
Value sort_key(const FilterCall& call, const Value& value, bool is_case_sensitive) {
  if (is_case_sensitive || value.text() == nullptr) return value;
  return make_text(call.budget(), lower(*value.text()));
}

// Elements in the stable order of their keys.
std::vector<Value> sorted(const FilterCall& call, std::vector<std::pair<Value, Value>> keyed,
                          bool is_reversed) {
  std::ranges::stable_sort(keyed, [&](const auto& a, const auto& b) {
    const int order_of_keys = order(call.budget(), a.first, b.first, "<");
    return is_reversed ? order_of_keys > 0 : order_of_keys < 0;
  });
  std::vector<Value> elements;
  elements.reserve(keyed.size());
  for (auto& [key, element] : keyed) elements.push_back(std::move(element));
  return elements;
}

Value sort(const FilterCall& call) {
  const auto args = call.bind({"reverse", "case_sensitive", "attribute"});
  const Value* attribute = args[2] == nullptr || args[2]->is_none() ? nullptr : args[2];
  if (attribute != nullptr && attribute->text() != nullptr &&
      attribute->text()->find(',') != std::string::npos) {
    fault("unsupported: sort by several attributes");
  }
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& element : elements_of(call.budget(), call.value)) {
    Value key = sort_key(call, looked_up(call.environment, element, attribute),
                         flag_argument(args[1], false));
    keyed.emplace_back(std::move(key), std::move(element));
  }
  return list_of(call, sorted(call, std::move(keyed), flag_argument(args[0], false)));
}

Value dictsort(const FilterCall& call) {
  const auto args = call.bind({"case_sensitive", "by", "reverse"});
  const auto by = text_argument("dictsort", args[1], "key");
  if (by != "key" && by != "value") fault("You can only sort by either \"key\" or \"value\"");
  const auto* dict = call.value.dict();
  require_defined(call.value);
  if (dict == nullptr) fault("'", type_name(call.value), "' object has no attribute 'items'");
  std::vector<std::pair<Value, Value>> keyed;
  for (const auto& [key, value] : dict->members) {
    keyed.emplace_back(sort_key(call, by == "key" ? key : value, flag_argument(args[0], false)),
                       make_sequence(call.budget(), SequenceKind::kTuple, {key, value}));
  }
  return list_of(call, sorted(call, std::move(keyed), flag_argument(args[2], false)));
}

Value unique(const FilterCall& call) {
  const auto args = call.bind({"case_sensitive", "attribute"});
  const Value* attribute = args[1] == nullptr || args[1]->is_none() ? nullptr : args[1];
  std::unordered_map<std::string, bool> seen;
  std::vector<Value> elements;
  for (Value& element : elements_of(call.budget(), call.value)) {
    const Value key = sort_key(call, looked_up(call.environment, element, attribute),
                               flag_argument(args[0], false));
    call.budget().spend(kElementWork);
    if (seen.emplace(hash_key(call.budget(), key), true).second)
      elements.push_back(std::move(element));
  }
  return iterator_of(call, std::move(elements));
}

Value extreme(const FilterCall& call) {
  const auto args = call.bind({"case_sensitive", "attribute"});
  const Value* attribute = args[1] == nullptr || args[1]->is_none() ? nullptr : args[1];
  const auto key_of = [&](const Value& element) {
    return sort_key(call, looked_up(call.environment, element, attribute),
                    flag_argument(args[0], false));
  };
  const auto elements = elements_of(call.budget(), call.value);
  if (elements.empty()) return make_undefined("No aggregated item, sequence was empty.");
  Value best = elements[0], best_key = key_of(best);
  for (size_t i = 1; i < elements.size(); ++i) {
    Value key = key_of(elements[i]);
    const int compared = order(call.budget(), key, best_key, call.name == "max" ? ">" : "<");
    if (call.name == "max" ? compared <= 0 : compared >= 0) continue;
    best = elements[i];
    best_key = std::move(key);
  }
  return best;
}

Value sum(const FilterCall& call) {
  const auto args = call.bind({"attribute", "start"});
  const Value* attribute = args[0] == nullptr || args[0]->is_none() ? nullptr : args[0];
  Value total = args[1] == nullptr ? Value(int64_t{0}) : *args[1];
  if (total.text() != nullptr) fault("sum() can't sum strings [use ''.join(seq) instead]");
  for (const Value& element : elements_of(call.budget(), call.value)) {
    total =
        arithmetic(call.environment, "+", total, looked_up(call.environment, element, attribute));
  }
  return total;
}

// The arguments behind the first `used`.
Arguments rest_of(const Arguments& arguments, size_t used) {
  return {.positional = {arguments.positional.begin() + static_cast<int64_t>(used),
                         arguments.positional.end()},
          .named = arguments.named};
}

Value map(const FilterCall& call) {
  const auto& [positional, named] = call.arguments;
  std::vector<Value> mapped;
  if (!truth(call.value)) return iterator_of(call, {});  // whatever it is
  if (positional.empty()) {
    const auto args = call.bind({"attribute", "default"});
    if (args[0] == nullptr) fault("map requires a filter argument");
    for (const Value& element : elements_of(call.budget(), call.value)) {
      const bool has_default = args[1] != nullptr && !args[1]->is_none();
      mapped.push_back(
          looked_up(call.environment, element, args[0], has_default ? args[1] : nullptr));
    }
    return iterator_of(call, std::move(mapped));
  }
  const std::string filter(text_argument("map", positional.data()));
  const Arguments arguments = rest_of(call.arguments, 1);
  for (const Value& element : elements_of(call.budget(), call.value)) {
    mapped.push_back(apply_filter(call.environment, filter, element, arguments));
  }
  return iterator_of(call, std::move(mapped));
}

// select, reject, selectattr, rejectattr.
Value filtered(const FilterCall& call) {
  const bool by_attribute = call.name.ends_with("attr"), keeps = call.name.starts_with("select");
  const auto& positional = call.arguments.positional;
  const size_t name_at = by_attribute ? 1 : 0;
  if (positional.size() < name_at) fault("Missing parameter for attribute name");
  const Value* attribute = by_attribute ? positional.data() : nullptr;
  const bool has_test = positional.size() > name_at;
  const std::string test(has_test ? text_argument(call.name, &positional[name_at]) : "");
  const Arguments arguments = has_test ? rest_of(call.arguments, name_at + 1) : Arguments{};
  std::vector<Value> kept;
  if (!truth(call.value)) return iterator_of(call, {});  // whatever it is
  for (Value& element : elements_of(call.budget(), call.value)) {
    const Value asked = looked_up(call.environment, element, attribute);
    const bool passes =
        has_test ? apply_test(call.environment, test, asked, arguments) : truth(asked);
    if (passes == keeps) kept.push_back(std::move(element));
  }
  return iterator_of(call, std::move(kept));
}

constexpr std::array kFilters = std::to_array<Filter>({
    {"count", count},         {"dictsort", dictsort}, {"first", first},
    {"items", items},         {"join", join},         {"last", last},
    {"length", count},        {"list", list},         {"map", map},
    {"max", extreme},         {"min", extreme},       {"reject", filtered},
    {"rejectattr", filtered}, {"reverse", reverse},   {"select", filtered},
    {"selectattr", filtered}, {"sort", sort},         {"sum", sum},
    {"unique", unique},
});

}  // namespace

std::span<const Filter> sequence_filters() { return kFilters; }

Value looked_up(Environment& environment, const Value& element, const Value* attribute,
                const Value* fallback) {
  if (attribute == nullptr) return element;
  const auto part_of = [&](const Value& owner, const Value& key) {
    Value found = item_of(environment, owner, key);
    return found.is_undefined() && fallback != nullptr ? *fallback : found;
  };
  if (attribute->text() == nullptr) return part_of(element, *attribute);
  Value found = element;
  for (const std::string_view part : split_at(environment.budget, *attribute->text(), ".", -1)) {
    const bool is_index = !part.empty() && part.size() < 10 &&
                          part.find_first_not_of("0123456789") == std::string_view::npos;
    found = part_of(found, is_index ? Value(int64_t{std::stoi(std::string(part))})
                                    : make_text(environment.budget, std::string(part)));
  }
  return found;
}

Value apply_filter(Environment& environment, const std::string& name, const Value& value,
                   const Arguments& arguments) {
  environment.budget.spend(kStepWork);
  for (const auto filters : {text_filters(), sequence_filters()}) {
    const auto found = std::ranges::find(filters, name, &Filter::name);
    if (found != filters.end()) return found->apply({environment, found->name, value, arguments});
  }
  fault("unsupported filter '", name, "'");
}

}  // namespace assay::jinja
