#pragma once
// What defines a tokenizer, however it was stored. The fields carry the names and the form of
// tokenizer.json; its parts that only `tokenizers` reads are kept as they are.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "tokenizer/added_tokens.h"

namespace assay {

enum class ModelType { kBpe, kUnigram, kWordPiece };

struct TokenizerSpec {
  ModelType type = ModelType::kBpe;
  std::vector<std::pair<std::string, int32_t>> vocab;  // tokens as spelled in the file, unique
  std::optional<std::string> unk_token;
  bool byte_fallback = false;  // BPE, unigram: tokens "<0x0A>" stand for unknown bytes

  std::vector<std::pair<std::string, std::string>> merges;  // BPE
  bool fuse_unk = false;
  bool ignore_merges = false;

  std::vector<double> scores;  // unigram: of each entry of `vocab`

  std::string continuing_subword_prefix = "##";  // WordPiece
  int64_t max_input_chars_per_word = 100;

  std::vector<AddedToken> added_tokens;
  Json normalizer, pre_tokenizer, post_processor, decoder;
  Json config = Json::object();  // tokenizer_config.json
};

// From the bytes of the two files. Error(kCorruptFile) names the field; another kind of tokenizer
// is named.
TokenizerSpec parse_tokenizer_json(std::string_view tokenizer_json,
                                   std::string_view tokenizer_config);

// The text of tokenizer.json. Linear in the vocabulary; do not search the result by token.
Json tokenizer_json_of(const TokenizerSpec& spec);

// Adds to `spec` the tokens that its config names: `added_tokens_decoder`, then the named special
// tokens, then `additional_special_tokens`, as transformers does. A token of the vocabulary keeps
// its id, a new one gets the next that is free. Error(kCorruptFile) where the config gives it
// another.
void add_tokens_of_config(TokenizerSpec& spec);

// The bytes of tokenizer_config.json; an empty text is an empty object.
Json parse_tokenizer_config(std::string_view bytes);

}  // namespace assay
