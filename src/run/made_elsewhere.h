#pragma once
// Checkpoints that something else compressed, as variants of a study.

#include <span>

#include "model/checkpoint.h"
#include "run/ask.h"

namespace assay {

// Base and variant are asked the same token ids. Error(kBadInput) where those are not the
// variant's: its own tokenizer makes other ids of a text that is asked (some of each task are
// compared) or has another rule for BOS, its vocabulary has no such id, or its positions end
// before a question does.
void require_same_questions(const Checkpoint& made, const Tokenizer& base,
                            std::span<const AskedTask> tasks);

}  // namespace assay
