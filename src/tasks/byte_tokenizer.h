#pragma once
// A tokenizer for tests of tasks: token ids are bytes.

#include <string>
#include <vector>

#include "base/json.h"
#include "tokenizer/byte_symbols.h"
#include "tokenizer/tokenizer.h"

namespace assay {

// Every byte is a token, with its own number; 256 is the end of a text.
inline Tokenizer byte_tokenizer(const Json& config = {{"eos_token", "</s>"}}) {
  Json vocab;
  for (int byte = 0; byte < 256; ++byte) vocab[byte_symbol(static_cast<uint8_t>(byte))] = byte;
  const Json end{{"id", 256},       {"content", "</s>"}, {"single_word", false},
                 {"lstrip", false}, {"rstrip", false},   {"normalized", false},
                 {"special", true}};
  const Json tokenizer{{"version", "1.0"},
                       {"added_tokens", Json::array({end})},
                       {"normalizer", nullptr},
                       {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
                       {"post_processor", nullptr},
                       {"decoder", {{"type", "ByteLevel"}}},
                       {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", Json::array()}}}};
  return tokenizer_from_json(tokenizer.dump(), config.dump());
}

inline std::string text_of(const std::vector<int32_t>& ids) {
  std::string text;
  for (const int32_t id : ids) text += static_cast<char>(id);
  return text;
}

}  // namespace assay
