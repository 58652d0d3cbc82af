#pragma once
// Text <-> token ids. One class for every tokenizer family; how it was stored (tokenizer.json,
// GGUF) ends at the two functions that build it.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace assay {

struct GgufFile;  // io/gguf.h

struct Encoding {
  std::vector<int32_t> ids;
  std::vector<int64_t> ends;  // ends[i]: UTF-8 byte offset in the text behind token i
  int64_t dropped_bytes = 0;  // bytes that the vocabulary cannot say
};

// Whether text that spells a special token ("<|im_end|>") becomes that token. Data is plain text
// unless asked.
enum class SpecialText { kPlain, kParse };

class Tokenizer {
 public:
  struct Impl;
  explicit Tokenizer(std::shared_ptr<const Impl> impl);

  // Ids of `text` without BOS or EOS. Invalid UTF-8 is tokenized byte by byte, as the reference
  // does with its bytes.
  Encoding encode(std::string_view text, SpecialText special = SpecialText::kPlain) const;

  // The bytes of `ids`, special tokens spelled out; invalid UTF-8 is replaced by U+FFFD so that the
  // result is text. Throws Error(kBadInput) on an id outside the vocabulary.
  std::string decode(std::span<const int32_t> ids) const;

  int64_t vocab_size() const;
  std::optional<int32_t> bos_id() const;  // the id itself, whether or not it is added
  std::optional<int32_t> eos_id() const;
  bool adds_bos() const;              // the rule of this tokenizer: BOS in front of every text
  std::string chat_template() const;  // empty when there is none

  // The tokenizer as the text of a Hugging Face tokenizer.json / tokenizer_config.json, for export.
  Json to_tokenizer_json() const;
  Json to_tokenizer_config() const;

 private:
  std::shared_ptr<const Impl> impl_;
};

// From the bytes of tokenizer.json and tokenizer_config.json (may be empty). Error(kCorruptFile)
// names the field.
Tokenizer tokenizer_from_json(std::string_view tokenizer_json, std::string_view tokenizer_config);

// From the `tokenizer.ggml.*` keys of a GGUF file.
Tokenizer tokenizer_from_gguf(const GgufFile& file);

}  // namespace assay
