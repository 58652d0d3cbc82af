// What takes Unicode's tables: case, character classes, repr (declared in chat/python_text.h).

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "chat/python_text.h"
#include "tokenizer/code_points.h"

namespace assay::jinja {
namespace {

char32_t decoded(std::string_view c) { return code_point_at(c, 0).value; }

utf8proc_category_t category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

struct Range {
  char32_t first, last;
};

// Characters whose capitals take several code points (Unicode's SpecialCasing.txt).
constexpr std::array kLongCapitals = std::to_array<Range>({{0xDF, 0xDF},
                                                           {0x149, 0x149},
                                                           {0x1F0, 0x1F0},
                                                           {0x390, 0x390},
                                                           {0x3B0, 0x3B0},
                                                           {0x587, 0x587},
                                                           {0x1E96, 0x1E9A},
                                                           {0x1F50, 0x1F56},
                                                           {0x1F80, 0x1FAF},
                                                           {0x1FB2, 0x1FB7},
                                                           {0x1FBC, 0x1FBC},
                                                           {0x1FC2, 0x1FCC},
                                                           {0x1FD2, 0x1FD7},
                                                           {0x1FE2, 0x1FE7},
                                                           {0x1FF2, 0x1FFC},
                                                           {0xFB00, 0xFB17}});

enum class Case { kUpper, kLower, kTitle };

char32_t with_case(char32_t c, Case wanted) {
  const bool is_long = wanted == Case::kLower
                           ? c == 0x130 || c == 0x3A3  // dotted I; sigma depends on its place
                           : std::ranges::any_of(kLongCapitals, [&](const Range& range) {
                               return range.first <= c && c <= range.last;
                             });
  if (is_long) fault("unsupported: the other case of U+", std::hex, std::uppercase, uint32_t{c});
  const auto value = static_cast<utf8proc_int32_t>(c);
  const auto changed = wanted == Case::kUpper   ? utf8proc_toupper(value)
                       : wanted == Case::kLower ? utf8proc_tolower(value)
                                                : utf8proc_totitle(value);
  return static_cast<char32_t>(changed);
}

std::string all_with_case(std::string_view text, Case wanted) {
  std::string out;
  for (const std::string_view c : code_points(text)) {
    append_utf8(out, with_case(decoded(c), wanted));
  }
  return out;
}

bool is_letter(char32_t c) {
  const auto kind = category(c);
  return kind == UTF8PROC_CATEGORY_LU || kind == UTF8PROC_CATEGORY_LL ||
         kind == UTF8PROC_CATEGORY_LT || kind == UTF8PROC_CATEGORY_LM ||
         kind == UTF8PROC_CATEGORY_LO;
}

bool is_cased(char32_t c) {
  const auto kind = category(c);
  return kind == UTF8PROC_CATEGORY_LU || kind == UTF8PROC_CATEGORY_LL ||
         kind == UTF8PROC_CATEGORY_LT;
}

bool is_digit(char32_t c) { return category(c) == UTF8PROC_CATEGORY_ND; }

bool is_printable(char32_t c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    case UTF8PROC_CATEGORY_ZS:
      return c == ' ';
    default:
      return true;
  }
}

std::string escaped(char32_t c) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const int digits = c < 0x100 ? 2 : c < 0x10000 ? 4 : 8;
  std::string out = digits == 2 ? "\\x" : digits == 4 ? "\\u" : "\\U";
  for (int i = digits - 1; i >= 0; --i) out += kHex[c >> (4 * i) & 0xF];
  return out;
}

}  // namespace

std::string upper(std::string_view text) { return all_with_case(text, Case::kUpper); }
std::string lower(std::string_view text) { return all_with_case(text, Case::kLower); }

std::string capitalized(std::string_view text) {
  if (text.empty()) return "";
  const size_t first = (*code_points(text).begin()).size();
  return all_with_case(text.substr(0, first), Case::kTitle) + lower(text.substr(first));
}

std::string title_cased(std::string_view text) {
  std::string out;
  bool follows_cased = false;
  for (const std::string_view c : code_points(text)) {
    const char32_t value = decoded(c);
    append_utf8(out, with_case(value, follows_cased ? Case::kLower : Case::kTitle));
    follows_cased = is_cased(value);
  }
  return out;
}

bool is_of_class(std::string_view text, TextClass wanted) {
  bool one_counts = false;
  for (const std::string_view c : code_points(text)) {
    const char32_t value = decoded(c);
    if (wanted == TextClass::kLower || wanted == TextClass::kUpper) {
      const auto good = wanted == TextClass::kLower ? UTF8PROC_CATEGORY_LL : UTF8PROC_CATEGORY_LU;
      if (!is_cased(value)) continue;
      if (category(value) != good) return false;
    } else {
      const bool alpha = is_letter(value), digit = is_digit(value);
      const bool good = wanted == TextClass::kSpace   ? is_space(c)
                        : wanted == TextClass::kAlpha ? alpha
                        : wanted == TextClass::kDigit ? digit
                                                      : alpha || digit;
      if (!good) return false;
    }
    one_counts = true;
  }
  return one_counts;
}

void represent_text(TextBuilder& out, std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  out.add(1, quote);
  for (const std::string_view c : code_points(text)) {
    if (c[0] == quote || c == "\\") {
      out.add("\\").add(c);
    } else if (c == "\n") {
      out.add("\\n");
    } else if (c == "\r") {
      out.add("\\r");
    } else if (c == "\t") {
      out.add("\\t");
    } else {
      const char32_t value = decoded(c);
      out.add(is_printable(value) ? std::string(c) : escaped(value));
    }
  }
  out.add(1, quote);
}

std::string float_text(double value) {
  std::array<char, 32> buffer{};
  const auto end =
      std::to_chars(buffer.begin(), buffer.end(), value, std::chars_format::scientific);
  const std::string_view scientific(buffer.data(), static_cast<size_t>(end.ptr - buffer.data()));
  const size_t e = scientific.find('e');
  const std::string sign = scientific[0] == '-' ? "-" : "";
  std::string digits;
  for (const char c : scientific.substr(0, e)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  const int exponent = std::atoi(scientific.data() + e + 1);
  if (exponent < -4 || exponent >= 16) {
    if (digits.size() > 1) digits.insert(1, ".");
    const std::string power = std::to_string(std::abs(exponent));
    return sign + digits + (exponent < 0 ? "e-" : "e+") + (power.size() < 2 ? "0" : "") + power;
  }
  if (exponent < 0)
    return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const auto whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.insert(whole, ".");
}

}  // namespace assay::jinja
