// Methods of text, dicts and lists (declared in chat/environment.h).

#include <algorithm>
#include <array>

#include "chat/environment.h"
#include "chat/python_text.h"

namespace assay::jinja {
namespace {

// What a method of text sees.
struct TextCall {
  Environment& environment;
  const Value& self;
  const std::string& text;
  std::string_view name;
  const Arguments& arguments;

  Budget& budget() const { return environment.budget; }
  Value result(std::string utf8) const { return make_text(budget(), std::move(utf8)); }
  Value list(const std::vector<std::string_view>& parts) const {
    std::vector<Value> elements;
    elements.reserve(parts.size());
    for (const auto part : parts) elements.push_back(result(std::string(part)));
    return make_sequence(budget(), SequenceKind::kList, std::move(elements));
  }
  void takes_nothing() const { bind(name, arguments, {}); }
};

Value strip(const TextCall& call) {
  const auto args = bind(call.name, call.arguments, {"chars"});
  const Side side = call.name == "lstrip"   ? Side::kLeft
                    : call.name == "rstrip" ? Side::kRight
                                            : Side::kBoth;
  std::optional<std::string_view> chars;
  if (args[0] != nullptr && !args[0]->is_none()) chars = text_argument(call.name, args[0]);
  return call.result(std::string(stripped(call.budget(), call.text, side, chars)));
}

Value split(const TextCall& call) {
  const auto args = bind(call.name, call.arguments, {"sep", "maxsplit"});
  const int64_t max_splits = whole_argument(call.name, args[1], -1);
  if (args[0] == nullptr || args[0]->is_none()) {
    if (call.name == "rsplit" && max_splits >= 0) {
      fault("unsupported: rsplit at white space with maxsplit");
    }
    return call.list(split_spaces(call.budget(), call.text, max_splits));
  }
  const auto separator = text_argument(call.name, args[0]);
  if (separator.empty()) fault("empty separator");
  return call.list(call.name == "split"
                       ? split_at(call.budget(), call.text, separator, max_splits)
                       : rsplit_at(call.budget(), call.text, separator, max_splits));
}

Value partition(const TextCall& call) {
  const auto args = bind(call.name, call.arguments, {"sep"}, 1);
  const auto separator = text_argument(call.name, args[0]);
  if (separator.empty()) fault("empty separator");
  const bool from_end = call.name == "rpartition";
  const auto parts = from_end ? rsplit_at(call.budget(), call.text, separator, 1)
                              : split_at(call.budget(), call.text, separator, 1);
  const std::string_view whole = call.text;
  std::array<std::string_view, 3> out = {whole, "", ""};
  if (parts.size() == 2) {
    out = {parts[0], separator, parts[1]};
  } else if (from_end) {
    out = {"", "", whole};
  }
  std::vector<Value> elements;
  elements.reserve(out.size());
  for (const auto part : out) elements.push_back(call.result(std::string(part)));
  return make_sequence(call.budget(), SequenceKind::kTuple, std::move(elements));
}

Value starts_or_ends(const TextCall& call) {
  const auto args = bind(call.name, call.arguments, {"affix"}, 1);
  const auto has = [&](const Value& affix) {
    const auto text = text_argument(call.name, &affix);
    return call.name == "startswith" ? call.text.starts_with(text) : call.text.ends_with(text);
  };
  const auto* several = args[0]->sequence();
  if (several == nullptr || several->kind != SequenceKind::kTuple) return has(*args[0]);
  return std::ranges::any_of(several->elements, has);
}

Value replace(const TextCall& call) {
  const auto args = bind(call.name, call.arguments, {"old", "new", "count"}, 2);
  return call.result(replaced(call.budget(), call.text, text_argument(call.name, args[0]),
                              text_argument(call.name, args[1]),
                              whole_argument(call.name, args[2], -1)));
}

Value remove_affix(const TextCall& call) {
  const auto args = bind(call.name, call.arguments, {"affix"}, 1);
  const auto affix = text_argument(call.name, args[0]);
  std::string_view text = call.text;
  if (call.name == "removeprefix" && text.starts_with(affix)) text.remove_prefix(affix.size());
  if (call.name == "removesuffix" && text.ends_with(affix)) text.remove_suffix(affix.size());
  return call.result(std::string(text));
}

Value find(const TextCall& call) {
  const auto args = bind(call.name, call.arguments, {"sub"}, 1);
  const auto part = text_argument(call.name, args[0]);
  const bool from_end = call.name == "rfind";
  std::optional<size_t> at;
  if (from_end) {
    const auto parts = part.empty() ? std::vector<std::string_view>{}
                                    : rsplit_at(call.budget(), call.text, part, 1);
    if (part.empty()) at = call.text.size();
    if (parts.size() == 2) at = parts[0].size();
  } else {
    at = find_text(call.budget(), call.text, part);
  }
  if (at)
    return static_cast<int64_t>(count_code_points(std::string_view(call.text).substr(0, *at)));
  if (call.name == "index") fault("substring not found");
  return int64_t{-1};
}

Value count(const TextCall& call) {
  const auto args = bind(call.name, call.arguments, {"sub"}, 1);
  const auto part = text_argument(call.name, args[0]);
  if (part.empty()) return static_cast<int64_t>(count_code_points(call.text)) + 1;
  return std::ssize(split_at(call.budget(), call.text, part, -1)) - 1;
}

Value join(const TextCall& call) {
  const auto args = bind(call.name, call.arguments, {"iterable"}, 1);
  TextBuilder out(call.budget());
  int64_t index = 0;
  for (const Value& element : elements_of(call.budget(), *args[0])) {
    if (element.text() == nullptr) {
      fault("sequence item ", index, ": expected str instance, ", type_name(element), " found");
    }
    if (index++ > 0) out.add(call.text);
    out.add(*element.text());
  }
  return call.result(out.take());
}

Value justify(const TextCall& call) {
  const auto args = bind(call.name, call.arguments, {"width", "fillchar"}, 1);
  const auto fill = text_argument(call.name, args[1], " ");
  if (fill.size() != 1) fault("unsupported: ", call.name, "() with a fill of several bytes");
  const int64_t missing =
      whole_argument(call.name, args[0]) - static_cast<int64_t>(count_code_points(call.text));
  const auto padding = static_cast<size_t>(std::max<int64_t>(missing, 0));
  TextBuilder out(call.budget());
  if (call.name == "rjust") out.add(padding, fill[0]);
  out.add(call.text);
  if (call.name == "ljust") out.add(padding, fill[0]);
  return call.result(out.take());
}

Value change_case(const TextCall& call) {
  call.takes_nothing();
  call.budget().spend(call.text.size());
  if (call.name == "upper") return call.result(upper(call.text));
  if (call.name == "lower") return call.result(lower(call.text));
  if (call.name == "title") return call.result(title_cased(call.text));
  return call.result(capitalized(call.text));
}

Value is_class(const TextCall& call) {
  call.takes_nothing();
  call.budget().spend(call.text.size());
  const TextClass wanted = call.name == "isalpha"   ? TextClass::kAlpha
                           : call.name == "isdigit" ? TextClass::kDigit
                           : call.name == "isalnum" ? TextClass::kAlnum
                           : call.name == "isspace" ? TextClass::kSpace
                           : call.name == "islower" ? TextClass::kLower
                                                    : TextClass::kUpper;
  return is_of_class(call.text, wanted);
}

Value splitlines(const TextCall& call) {
  call.takes_nothing();
  return call.list(split_lines(call.budget(), call.text));
}

// "{} and {name}".format(...), without conversions and format specifications.
Value format(const TextCall& call) {
  TextBuilder out(call.budget());
  size_t next = 0;
  const std::string_view text = call.text;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c != '{' && c != '}') {
      out.add(1, c);
    } else if (i + 1 < text.size() && text[i + 1] == c) {
      out.add(1, c);
      ++i;
    } else {
      const size_t end = text.find('}', i);
      if (c == '}' || end == std::string_view::npos) fault("format(): a bracket has no partner");
      const std::string field(text.substr(i + 1, end - i - 1));
      if (field.find_first_of(".[!:{") != std::string::npos) {
        fault("unsupported: the field {", field, "} of format()");
      }
      const Value* value = nullptr;
      if (field.empty() || field.find_first_not_of("0123456789") == std::string::npos) {
        const size_t index = field.empty() ? next++ : std::stoull(field.substr(0, 9));
        if (index < call.arguments.positional.size()) value = &call.arguments.positional[index];
      }
      for (const auto& [name, given] : call.arguments.named) {
        if (name == field) value = &given;
      }
      if (value == nullptr) fault("format() has no argument for {", field, "}");
      print(out, *value);
      i = end;
    }
  }
  return call.result(out.take());
}

struct TextMethod {
  std::string_view name;
  Value (*call)(const TextCall&);
};

constexpr std::array kTextMethods = std::to_array<TextMethod>({
    {"capitalize", change_case},
    {"count", count},
    {"endswith", starts_or_ends},
    {"find", find},
    {"format", format},
    {"index", find},
    {"isalnum", is_class},
    {"isalpha", is_class},
    {"isdigit", is_class},
    {"islower", is_class},
    {"isspace", is_class},
    {"isupper", is_class},
    {"join", join},
    {"ljust", justify},
    {"lower", change_case},
    {"lstrip", strip},
    {"partition", partition},
    {"removeprefix", remove_affix},
    {"removesuffix", remove_affix},
    {"replace", replace},
    {"rfind", find},
    {"rjust", justify},
    {"rpartition", partition},
    {"rsplit", split},
    {"rstrip", strip},
    {"split", split},
    {"splitlines", splitlines},
    {"startswith", starts_or_ends},
    {"strip", strip},
    {"title", change_case},
    {"upper", change_case},
});

// Of Python, but not here: naming one is an error instead of an undefined value.
constexpr std::array kOtherTextMethods = std::to_array<std::string_view>(
    {"casefold", "center", "encode", "expandtabs", "format_map", "isascii", "isdecimal",
     "isidentifier", "isnumeric", "isprintable", "istitle", "maketrans", "rindex", "swapcase",
     "translate", "zfill"});

Value call_text_method(Environment& environment, const Value& self, const std::string& name,
                       const Arguments& arguments) {
  if (self.as<Text>()->is_markup) fault("unsupported: ", name, "() of safe text");
  const auto found = std::ranges::find(kTextMethods, name, &TextMethod::name);
  if (found == kTextMethods.end()) fault("unsupported: the method ", name, "() of text");
  return found->call({environment, self, *self.text(), found->name, arguments});
}

Value call_dict_method(Environment& environment, const Dict& dict, const std::string& name,
                       const Arguments& arguments) {
  Budget& budget = environment.budget;
  if (name == "get") {
    const auto args = bind(name, arguments, {"key", "default"}, 1);
    require_defined(*args[0]);
    const Value* found = dict.find(hash_key(environment.budget, *args[0]));
    if (found != nullptr) return *found;
    return args[1] == nullptr ? Value() : *args[1];
  }
  bind(name, arguments, {});
  if (name == "copy") return make_dict(budget, dict.members);
  std::vector<Value> elements;
  for (const auto& [key, value] : dict.members) {
    elements.push_back(name == "keys" ? key
                       : name == "values"
                           ? value
                           : make_sequence(budget, SequenceKind::kTuple, {key, value}));
  }
  const SequenceKind kind = name == "keys"     ? SequenceKind::kKeys
                            : name == "values" ? SequenceKind::kValues
                                               : SequenceKind::kItems;
  return make_sequence(budget, kind, std::move(elements));
}

Value call_list_method(Environment& environment, const Sequence& list, const std::string& name,
                       const Arguments& arguments) {
  Budget& budget = environment.budget;
  if (name == "copy") {
    bind(name, arguments, {});
    return make_sequence(budget, list.kind, list.elements);
  }
  const auto args = bind(name, arguments, {"value"}, 1);
  int64_t number = 0;
  for (size_t i = 0; i < list.elements.size(); ++i) {
    if (!equal(budget, list.elements[i], *args[0])) continue;
    if (name == "index") return static_cast<int64_t>(i);
    ++number;
  }
  if (name == "index") fault("the value is not in the list");
  return number;
}

constexpr std::array<std::string_view, 5> kDictMethods = {"copy", "get", "items", "keys", "values"};

}  // namespace

bool is_method(const Value& owner, std::string_view name) {
  if (owner.text() != nullptr) {
    return std::ranges::find(kTextMethods, name, &TextMethod::name) != kTextMethods.end() ||
           std::ranges::find(kOtherTextMethods, name) != kOtherTextMethods.end();
  }
  if (owner.dict() != nullptr) return std::ranges::find(kDictMethods, name) != kDictMethods.end();
  const auto* sequence = owner.sequence();
  if (sequence == nullptr) return false;
  const bool is_list = sequence->kind == SequenceKind::kList;
  const bool counts = is_list || sequence->kind == SequenceKind::kTuple;
  return (counts && (name == "count" || name == "index")) || (is_list && name == "copy");
}

Value call_method(Environment& environment, const Callable& method, const Arguments& arguments) {
  const Value& self = method.self;
  if (self.text() != nullptr) return call_text_method(environment, self, method.name, arguments);
  if (const auto* dict = self.dict()) {
    return call_dict_method(environment, *dict, method.name, arguments);
  }
  if (const auto* loop = self.as<std::shared_ptr<const Loop>>()) {  // cycle
    if (arguments.positional.empty()) fault("no items for cycling given");
    return arguments.positional[(*loop)->index0 % arguments.positional.size()];
  }
  return call_list_method(environment, *self.sequence(), method.name, arguments);
}

}  // namespace assay::jinja
