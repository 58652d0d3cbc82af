#pragma once
// WordPiece: the longest token that a word starts with, then the longest that goes on, and so on; a
// word that cannot be cut so is one unknown token. Source: Devlin et al., NAACL 2019,
// arXiv:1810.04805, and BERT's tokenization.py.

#include <cstdint>
#include <optional>
#include <string_view>

#include "tokenizer/bpe.h"
#include "tokenizer/byte_trie.h"

namespace assay {

struct WordPieceModel {
  ByteTrie first;  // tokens as they are
  ByteTrie next;   // tokens that go on in a word, without their prefix
  int32_t unknown_id = 0;
  int64_t max_input_chars_per_word = 100;  // a longer word is unknown
};

WordTokens encode_word(const WordPieceModel& model, std::string_view word);

}  // namespace assay
