#include "tokenizer/added_tokens.h"

#include <algorithm>
#include <utility>

#include "tokenizer/code_points.h"

namespace assay {
namespace {

// The start of the code point that ends at `end` > 0.
size_t previous_code_point(std::string_view text, size_t end) {
  size_t at = end - 1;
  while (at > 0 && end - at < 4 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

bool word_touches(std::string_view text, size_t begin, size_t end) {
  const bool left =
      begin > 0 && is_word_character(code_point_at(text, previous_code_point(text, begin)).value);
  const bool right = end < text.size() && is_word_character(code_point_at(text, end).value);
  return left || right;
}

size_t white_space_before(std::string_view text, size_t begin) {
  while (begin > 0) {
    const size_t at = previous_code_point(text, begin);
    if (!is_white_space(code_point_at(text, at).value)) break;
    begin = at;
  }
  return begin;
}

size_t white_space_behind(std::string_view text, size_t end) {
  while (end < text.size()) {
    const CodePoint c = code_point_at(text, end);
    if (!is_white_space(c.value)) break;
    end += c.size;
  }
  return end;
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::vector<std::pair<std::string, int32_t>> contents;
  for (size_t i = 0; i < tokens_.size(); ++i)
    contents.emplace_back(tokens_[i].content, static_cast<int32_t>(i));
  trie_ = ByteTrie(std::move(contents));
}

std::vector<AddedPiece> AddedTokenMatcher::split(std::string_view text,
                                                 MatchSpecial special) const {
  std::vector<AddedPiece> pieces;
  size_t done = 0;
  for (size_t at = 0; !tokens_.empty() && at < text.size();) {
    const AddedToken* token = nullptr;
    trie_.for_each_prefix(text.substr(at), [&](size_t, int32_t index) {
      token = &tokens_[static_cast<size_t>(index)];
    });
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at;
    size_t end = at + token->content.size();
    at = end;
    if (token->special && special == MatchSpecial::kNo) continue;
    if (token->single_word && word_touches(text, begin, end)) continue;
    if (token->lstrip) begin = std::max(white_space_before(text, begin), done);
    if (token->rstrip) end = white_space_behind(text, end);
    if (done < begin) pieces.push_back({done, begin, nullptr});
    pieces.push_back({begin, end, token});
    done = end;
  }
  if (done < text.size()) pieces.push_back({done, text.size(), nullptr});
  return pieces;
}

}  // namespace assay
