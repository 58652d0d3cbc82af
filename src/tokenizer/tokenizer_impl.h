#pragma once
// How a tokenizer is made of its specification, and what it is made of; only the readers of files
// and the tokenizer itself need it.

#include "tokenizer/added_tokens.h"
#include "tokenizer/aligned_text.h"
#include "tokenizer/decoder.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/token_model.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_spec.h"

namespace assay {

struct Tokenizer::Impl {
  TokenizerSpec spec;
  TokenModel model;
  Normalizer normalizer;
  std::vector<PreTokenizerStep> pre_tokenizer;
  PostProcessor post_processor;
  Decoder decoder;
  bool byte_level = false;     // words are bytes
  bool decodes_bytes = false;  // `spellings` are bytes, and there is nothing else to decode
  AddedTokenMatcher plain_added, normalized_added;
  std::vector<std::optional<std::string>> spellings;
  std::optional<int32_t> bos, eos;
  uint64_t owner = 0;  // of cached words: another one for each tokenizer

  const WordTokens& encode_cached(std::string_view word, WordTokens& uncached) const;
  void encode_word_into(std::string_view word, auto&& add) const;
  void encode_part(AlignedText& part, StartOfText start, auto&& add) const;
  void encode_valid(AlignedText& text, size_t offset, MatchSpecial special, Encoding& out) const;
  void encode_bytes(std::string_view text, size_t offset, MatchSpecial special,
                    Encoding& out) const;
  void encode_characters(std::string_view text, size_t offset, MatchSpecial special,
                         Encoding& out) const;
  Framed framed(const std::vector<TemplatePiece>& pieces, std::span<const int32_t> first,
                std::span<const int32_t> second) const;
};

// Checks the parts against each other. Error(kCorruptFile) names the field: a merge of absent
// tokens, an id that two tokens have, a BOS rule without BOS.
Tokenizer make_tokenizer(TokenizerSpec spec);

}  // namespace assay
