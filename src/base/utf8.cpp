#include "base/utf8.h"

#include <cstdint>

namespace assay {
namespace {

// What may follow a lead byte: how many continuation bytes, and the range of the first of them,
// which is narrower than 80..BF where it would spell an overlong form (E0, F0), a surrogate (ED) or
// too large a value (F4).
struct Lead {
  size_t continuation;  // 0: not a lead byte of a longer sequence
  uint8_t low, high;
};

Lead lead(uint8_t byte) {
  if (byte >= 0xc2 && byte <= 0xdf) return {1, 0x80, 0xbf};
  if (byte == 0xe0) return {2, 0xa0, 0xbf};
  if (byte == 0xed) return {2, 0x80, 0x9f};
  if (byte >= 0xe1 && byte <= 0xef) return {2, 0x80, 0xbf};
  if (byte == 0xf0) return {3, 0x90, 0xbf};
  if (byte == 0xf4) return {3, 0x80, 0x8f};
  if (byte >= 0xf1 && byte <= 0xf3) return {3, 0x80, 0xbf};
  return {0, 0, 0};
}

}  // namespace

std::optional<size_t> first_invalid_utf8(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  for (size_t i = 0; i < text.size();) {
    if (byte(i) < 0x80) {
      ++i;
      continue;
    }
    const auto [continuation, low, high] = lead(byte(i));
    if (continuation == 0 || text.size() - i <= continuation) return i;
    if (byte(i + 1) < low || byte(i + 1) > high) return i;
    for (size_t k = 2; k <= continuation; ++k) {
      if (byte(i + k) < 0x80 || byte(i + k) > 0xbf) return i;
    }
    i += continuation + 1;
  }
  return std::nullopt;
}

}  // namespace assay
