#pragma once
// SentencePiece in the words of tokenizer.json.

#include "tokenizer/sentencepiece_model.h"
#include "tokenizer/tokenizer_spec.h"

namespace assay {

// Which texts get the space in front (`add_dummy_prefix`): every stretch between special tokens, as
// SentencePiece does with each text that it is given, or the first alone. `legacy` of
// tokenizer_config.json.
enum class DummyPrefix { kEveryStretch, kFirstOnly };

// Vocabulary, merges or scores, normalizer, pre-tokenizer, decoder and added tokens; not the
// post-processor and config. Merges of BPE are those of all pairs of normal pieces whose join is
// one, by falling score. Error(kCorruptFile) on what has no equivalent: word and character models,
// spaces at the end of words.
TokenizerSpec spec_of(const SentencePieceModel& model, DummyPrefix prefix);

}  // namespace assay
