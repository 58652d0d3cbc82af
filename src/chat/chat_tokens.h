#pragma once
// The token ids of a rendered chat.

#include <string_view>

#include "tokenizer/tokenizer.h"

namespace assay {

// Ids of `rendered`, special tokens that it spells included, with BOS as the model is used to it: a
// tokenizer that adds BOS to every text has it in front exactly once, whether the template wrote it
// or not; for another one it stays as the template has it. ends[i] counts bytes of `rendered`, 0
// for a BOS that was added. Error(kBadInput) where the text starts with BOS twice, or the tokenizer
// adds BOS and has none.
Encoding encode_chat(const Tokenizer& tokenizer, std::string_view rendered);

}  // namespace assay
