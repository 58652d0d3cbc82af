#pragma once
// The decoder of tokenizer.json: token strings -> text.

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pre_tokenizer.h"

namespace assay {

// Bytes spelled by the symbols of byte-level BPE.
struct ByteLevelDecoder {};

// Tokens "<0xE2>" become bytes; a run of them that is no UTF-8 becomes one U+FFFD a byte.
struct ByteFallbackDecoder {};

// All tokens become one.
struct FuseDecoder {};

// Takes up to `start` of `content` from the begin of each token, up to `stop` from its end.
struct StripDecoder {
  std::string content;
  size_t start = 0, stop = 0;
};

// The replacement becomes a space, at the start of a text nothing.
struct MetaspaceDecoder {
  std::string replacement;
  bool strips_first = true;
};

// A space in front of tokens that do not go on in a word; `cleanup` takes spaces from before
// punctuation and English contractions.
struct WordPieceDecoder {
  std::string prefix;
  bool cleanup = true;
};

using DecoderStep = std::variant<ByteLevelDecoder, ByteFallbackDecoder, FuseDecoder, StripDecoder,
                                 MetaspaceDecoder, WordPieceDecoder, ReplaceStep>;

struct Decoder {
  std::vector<DecoderStep> steps;
  std::string separator;  // between tokens in the end: a space where there is no decoder
};

// From the field `decoder`. Error(kCorruptFile) names a type that is not supported.
Decoder parse_decoder(const Json& json);

// Whether tokens simply spell bytes.
bool is_byte_level(const Decoder& decoder);

// `start`: whether the first token starts the text, so that the space which the tokenizer puts in
// front of a text is taken away again (StripDecoder, MetaspaceDecoder).
std::string decode(const Decoder& decoder, std::vector<std::string> tokens, StartOfText start);

}  // namespace assay
