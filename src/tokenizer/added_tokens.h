#pragma once
// Added tokens: text that is cut out before the pre-tokenizer sees it, by the rules of the
// `tokenizers` library.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/byte_trie.h"

namespace assay {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the white space to its left
  bool rstrip = false;       // takes the white space to its right
  bool normalized = false;   // found in the normalized text, else in the text as it is
  bool special = false;
};

enum class MatchSpecial { kNo, kYes };

// A stretch of the text: an added token, or text that holds none (token = nullptr).
struct AddedPiece {
  size_t begin, end;
  const AddedToken* token;
};

// Finds a set of tokens from left to right; of those that start at the same place the longest wins.
// A special token that is not to be matched still covers its text, as in the library.
class AddedTokenMatcher {
 public:
  AddedTokenMatcher() = default;
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

  // Pieces of `text` in order, without empty ones between tokens.
  std::vector<AddedPiece> split(std::string_view text, MatchSpecial special) const;

 private:
  std::vector<AddedToken> tokens_;
  ByteTrie trie_;  // their contents -> index
};

}  // namespace assay
