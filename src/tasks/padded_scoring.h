#pragma once
// The option scoring of "Beyond Perplexity" (arXiv:2407.04965), with its padding defect
// (spec/beyond-perplexity 2.0.4).

#include <cstdint>
#include <span>
#include <vector>

#include "data/sample.h"
#include "infer/score.h"
#include "tokenizer/tokenizer.h"

namespace assay {

// What that study's code scores: every row (prompt + option) is padded on the left to the longest,
// then the first `num_prompt` columns are masked, so an option that is k tokens shorter than the
// longest also pays for the last k tokens of its prompt. Without the defect each option would pay
// for its own tokens alone.
//   rows        token ids of prompt + option, tokenized as one text
//   num_prompt  tokens of the prompt alone
// Error(kBadInput) when a row is not longer than the prompt or pays for its whole prompt.
std::vector<ScoreRequest> padded_requests(std::span<const std::vector<int32_t>> rows,
                                          int64_t num_prompt);

// The same for a sample's context and choices, with BOS where the tokenizer adds one.
std::vector<ScoreRequest> padded_choice_requests(const Tokenizer& tokenizer, const Sample& sample);

}  // namespace assay
