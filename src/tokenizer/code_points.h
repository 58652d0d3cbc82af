#pragma once
// UTF-8 in bytes that may be anything, and the character classes that tokenizers split by.

#include <cstddef>
#include <string>
#include <string_view>

namespace assay {

struct CodePoint {
  char32_t value;  // U+FFFD where not valid
  size_t size;  // in bytes; of an ill-formed sequence its maximal subpart (Unicode 3.9, D93b), at
                // least 1
  bool valid;
};

// The code point that starts at text[at]; `at` < text.size(). Overlong forms and surrogates are
// ill-formed.
CodePoint code_point_at(std::string_view text, size_t at);

void append_utf8(std::string& text, char32_t code_point);

// `bytes` with each ill-formed subpart replaced by U+FFFD.
std::string to_valid_utf8(std::string_view bytes);

// The property White_Space.
bool is_white_space(char32_t c);

// General category Nd, Nl or No, as of Unicode 17.
bool is_numeric(char32_t c);

// A character of a word as the Rust crate `regex` sees it (Unicode 16): Alphabetic, M, Nd, Pc,
// Join_Control.
bool is_word_character(char32_t c);

}  // namespace assay
