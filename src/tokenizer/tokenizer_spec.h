#pragma once
// What defines a byte-level BPE tokenizer, however it was stored. The fields carry the names and
// the form of tokenizer.json; its parts that only `tokenizers` reads are kept as they are.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "tokenizer/added_tokens.h"

namespace assay {

struct TokenizerSpec {
  std::vector<std::pair<std::string, int32_t>> vocab;  // tokens as spelled in the file, unique
  std::vector<std::pair<std::string, std::string>> merges;
  std::optional<std::string> unk_token;
  bool fuse_unk = false;
  bool ignore_merges = false;
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

// The ids that post_processor puts in front of a text. Error(kCorruptFile) on a template that puts
// tokens behind it, which a language model's score has no place for, and on processors that are not
// supported.
std::vector<int32_t> prefix_of_post_processor(const Json& post_processor);

}  // namespace assay
