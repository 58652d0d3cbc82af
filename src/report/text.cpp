#include "report/text.h"

#include <utf8proc.h>

#include <cstdint>

namespace assay::report {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::string_view kEllipsis = "\xE2\x80\xA6";

struct Decoded {
  int32_t code_point = -1;  // -1: ill-formed
  size_t size = 1;          // bytes taken, >= 1
};

// Second bytes are restricted for some first bytes (no overlong forms, surrogates or values past
// U+10FFFF), and an ill-formed sequence ends before the first byte that cannot continue it.
Decoded decode_one(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return {first, 1};
  size_t length = 0;
  uint8_t low = 0x80, high = 0xBF;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  } else {
    return {-1, 1};
  }
  int32_t code_point = first & (0x7F >> length);
  for (size_t i = 1; i < length; ++i) {
    if (i >= text.size() || byte(i) < low || byte(i) > high) return {-1, i};
    code_point = (code_point << 6) | (byte(i) & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  return {code_point, length};
}

bool is_control(int32_t c) {
  return (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7F && c < 0xA0);
}

bool reorders(int32_t c) { return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069); }

std::string visible_name(int32_t c) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string name = "[U+";
  for (int shift = 12; shift >= 0; shift -= 4)
    name += kDigits[static_cast<size_t>((c >> shift) & 0xF)];
  return name + "]";
}

}  // namespace

std::string clean_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Decoded next = decode_one(text);
    if (next.code_point == '\r') {
      const bool before_newline = text.size() > 1 && text[1] == '\n';
      if (!before_newline) out += '\n';
    } else if (next.code_point < 0 || is_control(next.code_point)) {
      out += kReplacement;
    } else if (reorders(next.code_point)) {
      out += visible_name(next.code_point);
    } else {
      out += text.substr(0, next.size);
    }
    text.remove_prefix(next.size);
  }
  return out;
}

std::string clean_line(std::string_view text) {
  std::string out = clean_text(text);
  for (char& c : out) {
    if (c == '\n' || c == '\t') c = ' ';
  }
  return out;
}

size_t display_width(std::string_view clean) {
  size_t width = 0;
  while (!clean.empty()) {
    const Decoded next = decode_one(clean);
    const int columns = next.code_point < 0 ? 1 : utf8proc_charwidth(next.code_point);
    width += columns > 0 ? static_cast<size_t>(columns) : 0;
    clean.remove_prefix(next.size);
  }
  return width;
}

std::string cut_to_width(std::string_view clean, size_t width) {
  if (display_width(clean) <= width) return std::string(clean);
  std::string out;
  size_t used = 0;
  while (!clean.empty()) {
    const Decoded next = decode_one(clean);
    const size_t columns = display_width(clean.substr(0, next.size));
    if (used + columns + 1 > width) break;  // 1: the ellipsis
    out += clean.substr(0, next.size);
    used += columns;
    clean.remove_prefix(next.size);
  }
  return out.append(kEllipsis);
}

}  // namespace assay::report
