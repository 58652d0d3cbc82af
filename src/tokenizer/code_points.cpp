#include "tokenizer/code_points.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "tokenizer/regex.h"

namespace assay {
namespace {

struct Range {
  char32_t first, last;
};

bool in_ranges(const auto& ranges, char32_t c) {
  return std::ranges::any_of(ranges, [c](const Range& r) { return r.first <= c && c <= r.last; });
}

// Numbers that Unicode 15.1, 16 and 17 added to what Debian 12's utf8proc (Unicode 15) knows.
constexpr std::array kNewNumbers{
    Range{0x10D40, 0x10D49}, Range{0x116D0, 0x116E3}, Range{0x11BF0, 0x11BF9},
    Range{0x11DE0, 0x11DE9}, Range{0x16130, 0x16139}, Range{0x16D70, 0x16D79},
    Range{0x16FF4, 0x16FF6}, Range{0x1CCF0, 0x1CCF9}, Range{0x1E5F1, 0x1E5FA}};

// Other_Alphabetic outside of the categories L, M and Nl: letters in circles and squares.
constexpr std::array kLetterSymbols{Range{0x24B6, 0x24E9}, Range{0x1F130, 0x1F149},
                                    Range{0x1F150, 0x1F169}, Range{0x1F170, 0x1F189}};

}  // namespace

CodePoint code_point_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[at + i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const size_t size = lead >= 0xC2 && lead <= 0xDF   ? 2
                      : (lead & 0xF0) == 0xE0        ? 3
                      : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                     : 0;
  if (size == 0) return {0xFFFD, 1, false};
  auto value = static_cast<char32_t>(lead & (0xFF >> (size + 1)));
  for (size_t i = 1; i < size; ++i) {
    // The second byte's range rules out overlong forms, surrogates and what lies above U+10FFFF.
    const uint8_t low = i > 1 ? 0x80 : lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = i > 1 ? 0xBF : lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (at + i >= text.size() || byte(i) < low || byte(i) > high) return {0xFFFD, i, false};
    value = value << 6 | (byte(i) & 0x3F);
  }
  return {value, size, true};
}

void append_utf8(std::string& text, char32_t c) {
  std::array<utf8proc_uint8_t, 4> bytes{};
  const auto size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes.data());
  for (utf8proc_ssize_t i = 0; i < size; ++i)
    text.push_back(static_cast<char>(bytes[static_cast<size_t>(i)]));
}

std::string to_valid_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (size_t at = 0; at < bytes.size();) {
    const CodePoint c = code_point_at(bytes, at);
    if (c.valid) {
      text.append(bytes, at, c.size);
    } else {
      append_utf8(text, 0xFFFD);
    }
    at += c.size;
  }
  return text;
}

bool is_white_space(char32_t c) {
  return c == ' ' || (c >= 0x9 && c <= 0xD) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool is_numeric(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
         category == UTF8PROC_CATEGORY_NO || in_ranges(kNewNumbers, c);
}

bool is_word_character(char32_t newest) {
  const char32_t c = stand_in(newest);  // Debian 12's utf8proc knows Unicode 15
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      return c == 0x200C || c == 0x200D || in_ranges(kLetterSymbols, c);
  }
}

}  // namespace assay
