#pragma once
// The pre-tokenizer of tokenizer.json: text -> words; merges never cross the border of a word.

#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "tokenizer/regex.h"

namespace assay {

// What becomes of a match: a word of its own; nothing; part of the word before or behind; runs of
// matches are one word.
enum class SplitBehavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };

struct SplitStep {
  Regex regex;
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;  // what lies between the matches counts as the match
};

// Numbers (Nd, Nl, No) are split off, one by one or in runs.
struct DigitsStep {
  bool individual = false;
};

// Always the last step: words are spelled in bytes from here on.
struct ByteLevelStep {
  bool add_prefix_space = true;  // a space in front of every piece that has none
  std::optional<Regex> regex;    // GPT-2's pattern, where it is used
};

using PreTokenizerStep = std::variant<SplitStep, DigitsStep, ByteLevelStep>;

struct Word {
  size_t begin, end;   // bytes of the text
  bool leading_space;  // a space that is not in the text stands in front
};

// From the field `pre_tokenizer`. Error(kCorruptFile) names the field and what is not supported,
// also when the steps do not end in ByteLevel (then this is no byte-level tokenizer).
std::vector<PreTokenizerStep> parse_pre_tokenizer(const Json& json);

// Words of `text` (valid UTF-8), in order; nothing is left out except what a step removes.
std::vector<Word> pre_tokenize(std::string_view text, const std::vector<PreTokenizerStep>& steps);

}  // namespace assay
