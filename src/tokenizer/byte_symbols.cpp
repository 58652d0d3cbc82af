#include "tokenizer/byte_symbols.h"

#include <array>
#include <charconv>

#include "tokenizer/code_points.h"

namespace assay {
namespace {

constexpr char32_t kNumSymbolCodePoints = 0x100 + 68;

struct Symbols {
  std::array<std::string, 256> of_byte;
  std::array<int, kNumSymbolCodePoints> byte_of{};  // -1: no symbol

  Symbols() {
    byte_of.fill(-1);
    char32_t next_substitute = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
      const char32_t symbol = printable ? static_cast<char32_t>(byte) : next_substitute++;
      append_utf8(of_byte[static_cast<size_t>(byte)], symbol);
      byte_of[symbol] = byte;
    }
  }
};

const Symbols& symbols() {
  static const Symbols table;
  return table;
}

}  // namespace

const std::string& byte_symbol(uint8_t byte) { return symbols().of_byte[byte]; }

std::optional<std::string> bytes_of_symbols(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    if (!c.valid || c.value >= kNumSymbolCodePoints || symbols().byte_of[c.value] < 0)
      return std::nullopt;
    bytes.push_back(static_cast<char>(symbols().byte_of[c.value]));
    at += c.size;
  }
  return bytes;
}

std::string byte_token(uint8_t byte) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  return {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'};
}

std::optional<uint8_t> byte_of_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || !token.ends_with('>')) return std::nullopt;
  unsigned value = 0;
  const char* last = token.data() + 5;
  const auto [end, error] = std::from_chars(token.data() + 3, last, value, 16);
  if (error != std::errc() || end != last) return std::nullopt;
  return static_cast<uint8_t>(value);
}

}  // namespace assay
