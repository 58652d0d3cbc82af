#pragma once
// How vocabularies spell bytes. SentencePiece's byte fallback: "<0x0A>". Byte-level BPE: printable
// Latin-1 bytes as themselves, the other 68 as the code points from U+0100 on, in order. Source:
// GPT-2's encoder.py, Radford et al. 2019.

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

// "<0x0A>" for 0x0A, and back; nothing for another token. Hexadecimal digits of both cases are
// read.
std::string byte_token(uint8_t byte);
std::optional<uint8_t> byte_of_token(std::string_view token);

}  // namespace assay
