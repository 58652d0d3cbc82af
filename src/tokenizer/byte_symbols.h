#pragma once
// How byte-level BPE spells bytes in its vocabulary: printable Latin-1 bytes as themselves, the
// other 68 as the code points from U+0100 on, in order. Source: GPT-2's encoder.py, Radford et al.
// 2019.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace assay {

// The symbol of one byte as UTF-8: 'A' -> "A", ' ' -> "Ġ" (U+0120), 0x0A -> "Ċ" (U+010A).
const std::string& byte_symbol(uint8_t byte);

// The bytes that `symbols` spells: "Ġthe" -> " the"; nothing when a character of it is no byte
// symbol.
std::optional<std::string> bytes_of_symbols(std::string_view symbols);

}  // namespace assay
