#pragma once
// What a GGUF file says by one name (`tokenizer.ggml.pre`) and tokenizer.json spells out.

#include <string_view>

#include "base/json.h"

namespace assay {

struct NamedPreTokenizer {
  std::string_view name;
  std::string_view steps;  // the list `pretokenizers` in front of ByteLevel, as JSON; empty:
                           // GPT-2's pattern alone
  bool gpt2_pattern;       // whether ByteLevel splits by GPT-2's pattern after the steps
  bool nfc;
  bool ignore_merges;
  bool adds_bos;  // where the file does not say
};

// Error(kCorruptFile) names the nearest known name.
const NamedPreTokenizer& pre_tokenizer_named(std::string_view name);

Json pre_tokenizer_json(const NamedPreTokenizer& named);

// The name for the fields `pre_tokenizer`, `normalizer` and `model.ignore_merges` of a
// tokenizer.json; nullptr where no name says the same.
const NamedPreTokenizer* name_of_pre_tokenizer(const Json& pre_tokenizer, const Json& normalizer,
                                               bool ignore_merges);

}  // namespace assay
