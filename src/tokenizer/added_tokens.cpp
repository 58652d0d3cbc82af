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

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens)
    : tokens_(std::move(tokens)), trie_(1) {
  for (size_t i = 0; i < tokens_.size(); ++i) {
    uint32_t node = 0;
    for (const char c : tokens_[i].content) {
      auto& children = trie_[node].children;
      const auto child = std::ranges::find(children, c, &std::pair<char, uint32_t>::first);
      if (child != children.end()) {
        node = child->second;
        continue;
      }
      const auto next = static_cast<uint32_t>(trie_.size());
      children.emplace_back(c, next);
      trie_.emplace_back();  // `children` is gone from here on
      node = next;
    }
    trie_[node].token = static_cast<int32_t>(i);
  }
}

const AddedToken* AddedTokenMatcher::longest_at(std::string_view text, size_t at) const {
  const AddedToken* found = nullptr;
  for (uint32_t node = 0; at < text.size(); ++at) {
    const auto& children = trie_[node].children;
    const auto child = std::ranges::find(children, text[at], &std::pair<char, uint32_t>::first);
    if (child == children.end()) break;
    node = child->second;
    if (trie_[node].token >= 0) found = &tokens_[static_cast<size_t>(trie_[node].token)];
  }
  return found;
}

std::vector<AddedPiece> AddedTokenMatcher::split(std::string_view text,
                                                 MatchSpecial special) const {
  std::vector<AddedPiece> pieces;
  size_t done = 0;
  for (size_t at = 0; !tokens_.empty() && at < text.size();) {
    const AddedToken* token = longest_at(text, at);
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
