#pragma once
// Classes and mappings of single characters as the `tokenizers` library sees them; what is newer or
// older in its tables than in ours is listed (tests/golden/make_character_classes.py).

#include <string>

namespace assay {

// Removed by BERT's clean_text besides U+0000 and U+FFFD: Cc, Cf, Co, except tab and line ends.
bool is_bert_control(char32_t c);

// Removed by BERT's strip_accents (Mn) and by StripAccents (M).
bool is_bert_accent(char32_t c);
bool is_accent(char32_t c);

// P, and the other printable ASCII characters that are no letters or digits.
bool is_punctuation(char32_t c);

// The blocks that BERT splits into single characters (with the library's slip in the fifth: U+2B920
// instead of U+2B820).
bool is_bert_ideograph(char32_t c);

// The lower case of one character, which may be two.
void append_lower_case(std::string& text, char32_t c);

// Characters that newer Unicode takes apart in NFD, NFKD and NFKC, and the library does not.
bool has_no_decomposition(char32_t c);

// Characters that newer Unicode reorders as combining marks, and the library does not.
bool is_not_combining(char32_t c);

}  // namespace assay
