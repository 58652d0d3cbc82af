// Arithmetic of values (declared in chat/environment.h).

#include <cmath>

#include "chat/environment.h"
#include "chat/python_text.h"

namespace assay::jinja {
namespace {

[[noreturn]] void fault_operands(std::string_view op, const Value& a, const Value& b) {
  fault("unsupported operand type(s) for ", op, ": '", type_name(a), "' and '", type_name(b), "'");
}

Value finite(double value) {
  if (!std::isfinite(value)) fault("unsupported: a float that is not finite");
  return value;
}

int64_t floor_quotient(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

Value whole_power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  for (int64_t i = 0; i < exponent; ++i) {
    if (base == 0 || base == 1) return base;
    if (base == -1) return exponent % 2 == 0 ? int64_t{1} : int64_t{-1};
    if (__builtin_mul_overflow(result, base, &result)) {
      fault("unsupported: an integer beyond 64 bits");
    }
  }
  return result;
}

Value whole_arithmetic(std::string_view op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflows = false;
  if (op == "+") overflows = __builtin_add_overflow(a, b, &result);
  if (op == "-") overflows = __builtin_sub_overflow(a, b, &result);
  if (op == "*") overflows = __builtin_mul_overflow(a, b, &result);
  if (op == "//" || op == "%") {
    if (b == 0) fault("integer division or modulo by zero");
    overflows = b == -1 && a == INT64_MIN;
    if (!overflows) result = op == "//" ? floor_quotient(a, b) : a - b * floor_quotient(a, b);
  }
  if (op == "**") return b >= 0 ? whole_power(a, b) : finite(std::pow(a, b));
  if (op == "/") {
    if (b == 0) fault("division by zero");
    return static_cast<double>(a) / static_cast<double>(b);
  }
  if (overflows) fault("unsupported: an integer beyond 64 bits");
  return result;
}

// The remainder has the sign of the divisor, as in Python.
double float_remainder(double a, double b) {
  const double remainder = std::fmod(a, b);
  if (remainder == 0) return std::copysign(0.0, b);
  return (remainder < 0) != (b < 0) ? remainder + b : remainder;
}

double float_floor_quotient(double a, double b) {
  const double quotient = (a - float_remainder(a, b)) / b;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double floored = std::floor(quotient);
  return quotient - floored > 0.5 ? floored + 1 : floored;
}

Value float_arithmetic(std::string_view op, double a, double b) {
  if (op == "+") return finite(a + b);
  if (op == "-") return finite(a - b);
  if (op == "*") return finite(a * b);
  if (op == "**") {
    if (a < 0 && std::trunc(b) != b) fault("unsupported: a complex number");
    return finite(std::pow(a, b));
  }
  if (b == 0) fault("float division by zero");
  if (op == "/") return finite(a / b);
  if (op == "//") return finite(float_floor_quotient(a, b));
  return finite(float_remainder(a, b));
}

Value repeated(Environment& environment, const Value& value, int64_t count) {
  const auto times = static_cast<uint64_t>(std::max<int64_t>(count, 0));
  Budget& budget = environment.budget;
  const auto spend_each = [&](uint64_t size) {
    uint64_t total = 0;
    if (__builtin_mul_overflow(size, times, &total)) total = UINT64_MAX;
    budget.spend(total);
  };
  if (const auto* text = value.text()) {
    spend_each(text->size());
    std::string out;
    for (uint64_t i = 0; i < times && !text->empty(); ++i) out += *text;
    return make_text(budget, std::move(out));
  }
  const auto* sequence = value.sequence();
  spend_each(kElementWork * sequence->elements.size());
  std::vector<Value> elements;
  for (uint64_t i = 0; i < times && !sequence->elements.empty(); ++i) {
    elements.insert(elements.end(), sequence->elements.begin(), sequence->elements.end());
  }
  return make_sequence(budget, sequence->kind, std::move(elements));
}

bool is_list_or_tuple(const Value& value) {
  const auto* sequence = value.sequence();
  return sequence != nullptr &&
         (sequence->kind == SequenceKind::kList || sequence->kind == SequenceKind::kTuple);
}

std::string escaped_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&#34;";
    } else if (c == '\'') {
      out += "&#39;";
    } else {
      out += c;
    }
  }
  return out;
}

Value joined_texts(Budget& budget, const Text& a, const Text& b) {
  const bool is_markup = a.is_markup || b.is_markup;
  const auto part = [&](const Text& text) {
    return is_markup && !text.is_markup ? escaped_html(*text.utf8) : *text.utf8;
  };
  budget.spend(a.utf8->size() + b.utf8->size());
  return make_text(budget, part(a) + part(b), is_markup);
}

}  // namespace

Value add(Environment& environment, const Value& a, const Value& b) {
  if (a.text() != nullptr && b.text() != nullptr) {
    return joined_texts(environment.budget, *a.as<Text>(), *b.as<Text>());
  }
  if (a.text() != nullptr) {
    fault("can only concatenate str (not \"", type_name(b), "\") to str");
  }
  if (is_list_or_tuple(a) && is_list_or_tuple(b) && a.sequence()->kind == b.sequence()->kind) {
    environment.budget.spend(kElementWork * a.sequence()->elements.size());
    std::vector<Value> elements = a.sequence()->elements;
    elements.insert(elements.end(), b.sequence()->elements.begin(), b.sequence()->elements.end());
    return make_sequence(environment.budget, a.sequence()->kind, std::move(elements));
  }
  fault_operands("+", a, b);
}

Value arithmetic(Environment& environment, std::string_view op, const Value& a, const Value& b) {
  if (op == "%" && a.text() != nullptr) {  // formats an undefined value as ""
    return make_text(environment.budget, percent_formatted(environment.budget, *a.text(), b));
  }
  require_defined(a);
  require_defined(b);
  const auto left = a.integer(), right = b.integer();
  if (left && right) return whole_arithmetic(op, *left, *right);
  if (a.number() && b.number()) return float_arithmetic(op, *a.number(), *b.number());
  if (op == "+") return add(environment, a, b);
  const auto repeats = [](const Value& value) {
    return value.text() != nullptr || is_list_or_tuple(value);
  };
  if (op == "*" && right && repeats(a)) return repeated(environment, a, *right);
  if (op == "*" && left && repeats(b)) return repeated(environment, b, *left);
  fault_operands(op, a, b);
}

}  // namespace assay::jinja
