#pragma once
// The pre-tokenizer of tokenizer.json: text -> words; merges never cross the border of a word.

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "tokenizer/aligned_text.h"
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

// A byte-level tokenizer's last step leaves the text as it is: words are spelled in bytes from here
// on. In front of other steps it writes the symbols of the bytes instead.
struct ByteLevelStep {
  bool add_prefix_space = true;  // a space in front of every piece that has none
  std::optional<Regex> regex;    // GPT-2's pattern, where it is used
  bool writes_symbols = false;
};

enum class PrependScheme { kAlways, kFirst, kNever };

// Spaces become the replacement, which may be put in front of a piece that has none (kFirst: only
// where the text starts), and starts a word where `split` says so.
struct MetaspaceStep {
  std::string replacement = "\u2581";
  PrependScheme scheme = PrependScheme::kAlways;
  bool split = true;
};

// Runs of word characters, runs of other characters; white space goes.
struct WhitespaceStep {};

// Splits at the characters that `matches` says yes to.
struct CharacterStep {
  bool (*matches)(char32_t c);
  SplitBehavior behavior;
};

using PreTokenizerStep =
    std::variant<SplitStep, ByteLevelStep, MetaspaceStep, WhitespaceStep, CharacterStep>;

struct Word {
  size_t begin, end;   // bytes of the text
  bool leading_space;  // a space that is not in the text stands in front
};

// What ByteLevel does where it is the last step: only BPE has a vocabulary of bytes.
enum class LastByteLevel { kSpellsBytes, kWritesSymbols };

// From the field `pre_tokenizer`; null is no step. Error(kCorruptFile) names the field and what is
// not supported.
std::vector<PreTokenizerStep> parse_pre_tokenizer(const Json& json,
                                                  LastByteLevel last = LastByteLevel::kSpellsBytes);

// The field `prepend_scheme` of Metaspace, also of its decoder; files that are older say the same
// by `add_prefix_space`.
PrependScheme parse_prepend_scheme(const Json& json, const std::string& where);

// Whether words come out as bytes for a byte-level vocabulary.
bool is_byte_level(const std::vector<PreTokenizerStep>& steps);

enum class StartOfText { kYes, kNo };  // whether the whole text starts where this part of it does

// Words of `text` (valid UTF-8), in order; nothing is left out except what a step removes. Words
// are stretches of what the text is after the steps.
std::vector<Word> pre_tokenize(AlignedText& text, const std::vector<PreTokenizerStep>& steps,
                               StartOfText start = StartOfText::kYes);

}  // namespace assay
