#pragma once
// How a tokenizer is made of its specification; only the two readers of files need it.

#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_spec.h"

namespace assay {

// Checks the parts against each other. Error(kCorruptFile) names the field: a merge of absent
// tokens, an id that two tokens have, a BOS rule without BOS.
Tokenizer make_tokenizer(TokenizerSpec spec);

}  // namespace assay
