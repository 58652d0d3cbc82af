#pragma once
// The normalizer of tokenizer.json: a list of steps, each with a way back to the bytes of the text.

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "tokenizer/aligned_text.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/regex.h"
#include "tokenizer/unicode_form.h"

namespace assay {

struct ReplaceStep {
  std::string literal;         // what is replaced, or
  std::optional<Regex> regex;  // what matches is
  std::string content;
};

struct PrependStep {
  std::string prefix;  // in front of every text that is not empty
};

struct StripStep {
  bool left = true, right = true;  // white space goes
};

// Maps a character to what it becomes, appended to `text`.
using CharacterMap = void (*)(char32_t c, std::string& text);

using NormalizerStep =
    std::variant<UnicodeForm, ReplaceStep, PrependStep, StripStep, CharacterMap, Charsmap>;
using Normalizer = std::vector<NormalizerStep>;

// From the field `normalizer`. Error(kCorruptFile) names a type that is not supported.
Normalizer parse_normalizer(const Json& json);

// `text` must be valid UTF-8.
void normalize(AlignedText& text, const Normalizer& normalizer);

// Applies one replacement, also outside of a normalizer.
void replace_all(AlignedText& text, const ReplaceStep& step);

// Reads the fields `pattern` ({"String": …} or {"Regex": …}) and `content`.
ReplaceStep parse_replace(const Json& json, const std::string& where);

}  // namespace assay
