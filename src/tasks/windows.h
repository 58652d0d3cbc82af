#pragma once
// A long text cut into windows, each scored by itself: the protocols of perplexity.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "infer/score.h"

namespace assay {

enum class PerplexityProtocol {
  kTokenWeighted,     // every token weighs the same; the last, shorter window is kept
  kBeyondPerplexity,  // every window weighs the same, also the last one (arXiv:2407.04965;
                      // spec 2.0.5)
  kGptq,              // the remainder is dropped; all windows are equal (spec/compression 0.4)
  kLlamaCpp,  // the remainder is dropped; the second half of each window is scored, from BOS where
              // there is one
};

// "token-weighted", "beyond-perplexity", "gptq", "llamacpp"; Error(kBadInput) names the nearest.
PerplexityProtocol perplexity_protocol(std::string_view name);

struct Window {
  ScoreRequest request;
  int64_t begin = 0, end = 0;  // the tokens of the text that are scored, [begin, end)
};

// Consecutive, non-overlapping windows of `window` tokens. The first token of each is context only;
// a last window of one token is left out.  bos: put at the start of each window by kLlamaCpp, in
// place of its first token; the other protocols take ids as they are. Error(kBadInput) when window
// < 2 or no window is left.
std::vector<Window> cut_windows(std::span<const int32_t> ids, int64_t window,
                                PerplexityProtocol protocol, std::optional<int32_t> bos);

// {sum of negative log-likelihoods, tokens}, or {their mean, 1} where every window weighs the same.
std::vector<double> window_components(const ScoreResult& score, PerplexityProtocol protocol);

}  // namespace assay
