#pragma once
// Text <-> token ids. One class for every tokenizer family; how it was stored (tokenizer.json,
// SentencePiece's model, BERT's vocab.txt, GGUF) ends at the functions that build it.

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

// Ids with what the tokenizer puts around texts, and the segment that each belongs to.
struct Framed {
  std::vector<int32_t> ids;
  std::vector<int32_t> type_ids;
};

// Whether ids start a text. Some tokenizers put a space in front of a text; decoding takes it away
// where a text starts, and only there.
enum class DecodeAs { kPartOfText, kWholeText };

// Whether text that spells a special token ("<|im_end|>") becomes that token. Data is plain text
// unless asked.
enum class SpecialText { kPlain, kParse };

class Tokenizer {
 public:
  struct Impl;
  explicit Tokenizer(std::shared_ptr<const Impl> impl);

  // Ids of `text` without BOS or EOS. Invalid UTF-8 is tokenized byte by byte in a byte-level
  // vocabulary, as the reference does with its bytes; elsewhere each such byte is read as U+FFFD,
  // as SentencePiece does, and counted as dropped.
  Encoding encode(std::string_view text, SpecialText special = SpecialText::kPlain) const;

  // One text, or two, with what the tokenizer puts around them: "[CLS] A [SEP] B [SEP]", "<s> A".
  Framed frame(std::span<const int32_t> text) const;
  Framed frame(std::span<const int32_t> first, std::span<const int32_t> second) const;

  // The text of `ids`, special tokens spelled out; what is no UTF-8 is replaced by U+FFFD. Throws
  // Error(kBadInput) on an id outside the vocabulary.
  std::string decode(std::span<const int32_t> ids, DecodeAs as = DecodeAs::kPartOfText) const;

  int64_t vocab_size() const;
  std::optional<int32_t> bos_id() const;  // the id itself, whether or not it is added
  std::optional<int32_t> eos_id() const;
  bool adds_bos() const;              // the rule of this tokenizer: BOS in front of every text
  bool adds_eos() const;              // tokens behind every text, as encoders have them
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

// From the bytes of SentencePiece's tokenizer.model (BPE or unigram).
Tokenizer tokenizer_from_sentencepiece(std::string_view model, std::string_view tokenizer_config);

// From the text of BERT's vocab.txt, a token a line.
Tokenizer tokenizer_from_vocab_txt(std::string_view vocab_txt, std::string_view tokenizer_config);

// From the texts of GPT-2's vocab.json and merges.txt.
Tokenizer tokenizer_from_vocab_and_merges(std::string_view vocab_json, std::string_view merges_txt,
                                          std::string_view tokenizer_config);

// From the `tokenizer.ggml.*` keys of a GGUF file.
Tokenizer tokenizer_from_gguf(const GgufFile& file);

}  // namespace assay
