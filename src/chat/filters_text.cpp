// Filters of text and numbers (chat/filter_table.h).

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "chat/filter_table.h"
#include "chat/json_text.h"
#include "chat/python_text.h"

namespace assay::jinja {
namespace {

// The value as text; a filter of text takes every value so.
std::string text_of(const FilterCall& call) {
  if (call.value.text() != nullptr && call.value.as<Text>()->is_markup) {
    fault("unsupported: the filter '", call.name, "' of safe text");
  }
  return printed(call.budget(), call.value);
}

Value result(const FilterCall& call, std::string text) {
  return make_text(call.budget(), std::move(text));
}

Value trim(const FilterCall& call) {
  const auto args = call.bind({"chars"});
  std::optional<std::string_view> chars;
  if (args[0] != nullptr && !args[0]->is_none()) chars = text_argument("trim", args[0]);
  const std::string text = text_of(call);
  return result(call, std::string(stripped(call.budget(), text, Side::kBoth, chars)));
}

Value change_case(const FilterCall& call) {
  call.bind({});
  const std::string text = text_of(call);
  if (call.name == "upper") return result(call, upper(text));
  if (call.name == "lower") return result(call, lower(text));
  return result(call, capitalized(text));
}

// Words begin behind white space and - ( { [ <, unlike in str.title().
Value title(const FilterCall& call) {
  call.bind({});
  const std::string text = text_of(call);
  std::string out, word;
  for (const std::string_view c : code_points(text)) {
    if (is_space(c) || std::string_view("-({[<").find(c) != std::string_view::npos) {
      out += capitalized(word) + std::string(c);
      word.clear();
    } else {
      word += c;
    }
  }
  return result(call, out + capitalized(word));
}

Value replace(const FilterCall& call) {
  const auto args = call.bind({"old", "new", "count"}, 2);
  const int64_t count =
      args[2] == nullptr || args[2]->is_none() ? -1 : whole_argument("replace", args[2]);
  return result(call, replaced(call.budget(), text_of(call), printed(call.budget(), *args[0]),
                               printed(call.budget(), *args[1]), count));
}

Value indent(const FilterCall& call) {
  const auto args = call.bind({"width", "first", "blank"});
  std::string margin;
  if (args[0] != nullptr && args[0]->text() != nullptr) {
    margin = *args[0]->text();
  } else {
    const int64_t width = whole_argument("indent", args[0], 4);
    margin = TextBuilder(call.budget())
                 .add(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ')
                 .take();
  }
  require_defined(call.value);
  const std::string text = std::string(text_argument("indent", &call.value)) + "\n";
  const auto lines = split_lines(call.budget(), text);
  TextBuilder out(call.budget());
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.add("\n");
    const bool is_margined =
        i == 0 ? flag_argument(args[1], false) : flag_argument(args[2], false) || !lines[i].empty();
    if (is_margined) out.add(margin);
    out.add(lines[i]);
  }
  return result(call, out.take());
}

Value tojson(const FilterCall& call) {
  const auto args = call.bind({"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ensure_ascii = flag_argument(args[0], false);
  style.sort_keys = flag_argument(args[3], false);
  if (args[1] != nullptr && !args[1]->is_none()) {
    style.item_separator = ",";
    if (args[1]->text() != nullptr) {
      style.indent = *args[1]->text();
    } else {
      const auto width =
          static_cast<size_t>(std::max<int64_t>(whole_argument("tojson", args[1]), 0));
      style.indent = TextBuilder(call.budget()).add(width, ' ').take();
    }
  }
  if (args[2] != nullptr && !args[2]->is_none()) {
    const auto pair = elements_of(call.budget(), *args[2]);
    if (pair.size() != 2) fault("tojson: separators must be two texts");
    style.item_separator = text_argument("tojson", &pair[0]);
    style.key_separator = text_argument("tojson", &pair[1]);
  }
  return result(call, json_text(call.budget(), call.value, style));
}

Value string(const FilterCall& call) {
  call.bind({});
  return call.value.text() != nullptr ? call.value : result(call, text_of(call));
}

Value safe(const FilterCall& call) {
  call.bind({});
  return make_text(call.budget(), printed(call.budget(), call.value), /*is_markup=*/true);
}

// The whole of `text` as a number; nothing where it is none. Infinities, "nan" and underscores,
// which Python reads too, are not supported.
template <class Number>
std::optional<Number> parsed_number(std::string_view text) {
  text = stripped(text, Side::kBoth);
  if (text.starts_with('+') && !text.substr(1).starts_with('-')) text.remove_prefix(1);
  const std::string plain = [&] {
    std::string digits(text);
    std::erase(digits, '_');
    return digits;
  }();
  Number value = 0;
  const auto [end, error] = std::from_chars(plain.data(), plain.data() + plain.size(), value);
  if (error == std::errc::invalid_argument || end != plain.data() + plain.size()) {
    return std::nullopt;
  }
  const bool is_plain = plain == text && plain.find_first_of("nN") == std::string::npos;
  if (!is_plain || error == std::errc::result_out_of_range) {
    fault("unsupported: a number written as '", text, "'");
  }
  return value;
}

Value truncated(double value) {
  if (!(std::abs(value) < 9.2e18)) fault("unsupported: an integer beyond 64 bits");
  return static_cast<int64_t>(value);
}

Value to_int(const FilterCall& call) {
  const auto args = call.bind({"default", "base"});
  if (whole_argument("int", args[1], 10) != 10) fault("unsupported: the filter 'int' with a base");
  require_defined(call.value);
  if (const auto whole = call.value.integer()) return *whole;
  if (const auto* number = call.value.as<double>()) return truncated(*number);
  if (const auto* text = call.value.text()) {
    if (const auto whole = parsed_number<int64_t>(*text)) return *whole;
    if (const auto number = parsed_number<double>(*text)) return truncated(*number);
  }
  return args[0] == nullptr ? Value(int64_t{0}) : *args[0];
}

Value to_float(const FilterCall& call) {
  const auto args = call.bind({"default"});
  require_defined(call.value);
  if (const auto number = call.value.number()) return *number;
  if (const auto* text = call.value.text()) {
    if (const auto number = parsed_number<double>(*text)) return *number;
  }
  return args[0] == nullptr ? Value(0.0) : *args[0];
}

Value absolute(const FilterCall& call) {
  call.bind({});
  require_defined(call.value);
  if (const auto whole = call.value.integer()) {
    if (*whole == INT64_MIN) fault("unsupported: an integer beyond 64 bits");
    return *whole < 0 ? -*whole : *whole;
  }
  if (const auto* number = call.value.as<double>()) return std::abs(*number);
  fault("bad operand type for abs(): '", type_name(call.value), "'");
}

Value round_number(const FilterCall& call) {
  const auto args = call.bind({"precision", "method"});
  const int64_t precision = whole_argument("round", args[0]);
  const auto method = text_argument("round", args[1], "common");
  require_defined(call.value);
  if (!call.value.number()) fault("round: ", type_name(call.value), " is no number");
  if (precision < 0 || precision > 15) fault("unsupported: round to ", precision, " digits");
  if (method == "common") {  // to the even of two that are equally near
    if (const auto whole = call.value.integer()) return *whole;
    std::array<char, 400> digits{};
    std::snprintf(digits.data(), digits.size(), "%.*f", static_cast<int>(precision),
                  *call.value.number());
    return std::strtod(digits.data(), nullptr);
  }
  if (method != "ceil" && method != "floor") fault("method must be common, ceil or floor");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = *call.value.number() * scale;
  return (method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale;
}

Value format(const FilterCall& call) {
  if (!call.arguments.named.empty()) fault("unsupported: the filter 'format' with names");
  const Value values =
      make_sequence(call.budget(), SequenceKind::kTuple, call.arguments.positional);
  return result(call, percent_formatted(call.budget(), text_of(call), values));
}

// default("x", true): also where the value is false.
Value fallback(const FilterCall& call) {
  const auto args = call.bind({"default_value", "boolean"});
  const bool takes_false = flag_argument(args[1], false) && !truth(call.value);
  if (!call.value.is_undefined() && !takes_false) return call.value;
  return args[0] == nullptr ? make_text(call.budget(), "") : *args[0];
}

constexpr std::array kFilters = std::to_array<Filter>({
    {"abs", absolute},
    {"capitalize", change_case},
    {"d", fallback},
    {"default", fallback},
    {"float", to_float},
    {"format", format},
    {"indent", indent},
    {"int", to_int},
    {"lower", change_case},
    {"replace", replace},
    {"round", round_number},
    {"safe", safe},
    {"string", string},
    {"title", title},
    {"tojson", tojson},
    {"trim", trim},
    {"upper", change_case},
});

}  // namespace

std::span<const Filter> text_filters() { return kFilters; }

std::string percent_formatted(Budget& budget, std::string_view format, const Value& arguments) {
  std::vector<Value> values{arguments};
  const auto* tuple = arguments.sequence();
  if (tuple != nullptr && tuple->kind == SequenceKind::kTuple) values = tuple->elements;
  TextBuilder out(budget);
  size_t next = 0;
  for (size_t i = 0; i < format.size(); ++i) {
    const char letter = format[i] == '%' && i + 1 < format.size() ? format[++i] : '\0';
    if (letter == '\0' || letter == '%') {
      if (letter == '\0' && format[i] == '%') fault("incomplete format");
      out.add(1, format[i]);
      continue;
    }
    if (letter != 's' && letter != 'r' && letter != 'd' && letter != 'i') {
      fault("unsupported: the conversion %", letter);
    }
    if (next >= values.size()) fault("not enough arguments for format string");
    const Value& value = values[next++];
    if (letter == 's') {
      print(out, value);
    } else if (letter == 'r') {
      represent(out, value);
    } else {
      require_defined(value);
      if (!value.number()) fault("%d format: a real number is required, not ", type_name(value));
      out.add(std::to_string(value.integer() ? *value.integer()
                                             : *truncated(*value.number()).integer()));
    }
  }
  if (next < values.size()) fault("not all arguments converted during string formatting");
  return out.take();
}

}  // namespace assay::jinja
