#pragma once
// From a sample's text to the token ids that are scored.

#include <cstdint>
#include <string_view>
#include <vector>

#include "data/sample.h"
#include "infer/score.h"
#include "tasks/task.h"
#include "tokenizer/tokenizer.h"

namespace assay {

// One request per choice: context + choice, tokenized jointly (infer/score.h, encode_request, or
// encode_chat_request where the context is a chat).
std::vector<ScoreRequest> choice_requests(const Tokenizer& tokenizer, const Sample& sample);

// The items of a task of choices: the samples that the options draw, put as a chat where they say
// so.
std::vector<Item> choice_items(const Tokenizer& tokenizer, std::vector<Sample> samples,
                               const TaskOptions& options, std::string_view task);

// One request per choice without its context: for readings that subtract what an option costs by
// itself.
std::vector<ScoreRequest> unconditional_requests(const Tokenizer& tokenizer, const Sample& sample);

// Token ids of a text as a model reads it from the start: BOS where the tokenizer adds one.
std::vector<int32_t> ids_with_bos(const Tokenizer& tokenizer, std::string_view text);

}  // namespace assay
