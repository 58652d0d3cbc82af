#pragma once
// SentencePiece's precompiled map of characters (`precompiled_charsmap`): a double array of byte
// strings, then the texts that they become. Format: SentencePiece's normalizer.cc and darts-clone.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/aligned_text.h"

namespace assay {

class Charsmap {
 public:
  // Error(kCorruptFile) when the sizes do not fit or the texts are no UTF-8.
  explicit Charsmap(std::string_view bytes);

  // What the shortest key that `text` starts with becomes, as the `tokenizers` library has it
  // (SentencePiece takes the longest); nothing when there is no such key.
  std::optional<std::string_view> find(std::string_view text) const;

  // Replaces grapheme clusters of less than 6 bytes whole, else character by character, as the
  // `tokenizers` library does.
  void apply(AlignedText& text) const;

 private:
  std::vector<uint32_t> units_;
  std::string texts_;  // each ends with a zero byte
};

}  // namespace assay
