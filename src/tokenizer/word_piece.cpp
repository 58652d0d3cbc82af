#include "tokenizer/word_piece.h"

#include <algorithm>

namespace assay {
namespace {

WordTokens unknown(const WordPieceModel& model, std::string_view word) {
  const auto size = static_cast<uint32_t>(word.size());
  return {{model.unknown_id}, {size}, size};
}

int64_t num_characters(std::string_view word) {
  return std::ranges::count_if(word, [](char byte) { return (byte & 0xC0) != 0x80; });
}

}  // namespace

WordTokens encode_word(const WordPieceModel& model, std::string_view word) {
  if (num_characters(word) > model.max_input_chars_per_word) return unknown(model, word);
  WordTokens tokens;
  for (size_t at = 0; at < word.size();) {
    size_t longest = 0;
    int32_t id = -1;
    const auto& pieces = at == 0 ? model.first : model.next;
    pieces.for_each_prefix(word.substr(at), [&](size_t length, int32_t value) {
      longest = length;
      id = value;
    });
    if (id < 0) return unknown(model, word);
    at += longest;
    tokens.ids.push_back(id);
    tokens.ends.push_back(static_cast<uint32_t>(at));
  }
  return tokens;
}

}  // namespace assay
