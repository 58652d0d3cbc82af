#pragma once
// The model part of a tokenizer: words -> token ids.

#include <string_view>
#include <variant>

#include "tokenizer/bpe.h"
#include "tokenizer/tokenizer_spec.h"
#include "tokenizer/unigram.h"
#include "tokenizer/word_piece.h"

namespace assay {

using TokenModel = std::variant<BpeModel, UnigramModel, WordPieceModel>;

// `symbols`: what the words of BPE are made of. Error(kCorruptFile) names what does not fit
// together: a merge of absent tokens, an unknown token that the vocabulary does not have.
TokenModel token_model_of(const TokenizerSpec& spec, BpeModel::Symbols symbols);

inline WordTokens encode_word(const TokenModel& model, std::string_view word) {
  return std::visit([&](const auto& m) { return encode_word(m, word); }, model);
}

}  // namespace assay
