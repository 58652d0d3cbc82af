#pragma once
// The unigram model: of all ways to cut a word into tokens, the one with the largest sum of scores.
// Source: Kudo, ACL 2018, arXiv:1804.10959; ties, unknown characters and their score as in the
// `tokenizers` library and SentencePiece.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/bpe.h"
#include "tokenizer/byte_trie.h"

namespace assay {

struct UnigramModel {
  ByteTrie pieces;             // token -> id
  std::vector<double> scores;  // by id, natural logarithms
  double unknown_score = 0;    // the lowest score - 10
  std::optional<int32_t> unknown_id;
  // Stand for an unknown character where the vocabulary has all of its bytes; -1: it does not.
  std::array<int32_t, 256> byte_ids{};
};

// Linear in the bytes of the word (times the length of the longest token). A run of unknown
// characters is one unknown token. Error(kBadInput) on an unknown character without unknown token.
WordTokens encode_word(const UnigramModel& model, std::string_view word);

}  // namespace assay
