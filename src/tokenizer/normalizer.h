#pragma once
// The normalizer of tokenizer.json, with a way back to the bytes of the text.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace assay {

enum class Normalizer { kNone, kNfc };

// From the field `normalizer`. Error(kCorruptFile) names a type that is not supported.
Normalizer parse_normalizer(const Json& json);

struct NormalizedText {
  std::string text;
  // Stretches that changed, in order; behind each the two texts run in parallel again.
  struct Change {
    size_t original_begin, original_end;      // bytes of the text given
    size_t normalized_begin, normalized_end;  // bytes of `text`
  };
  std::vector<Change> changes;

  // The byte of the text given that lies behind byte `end` of `text`; inside a change this is the
  // end of the change.
  size_t original_end(size_t end) const;
};

// `text` must be valid UTF-8.
NormalizedText normalize(std::string_view text, Normalizer normalizer);

}  // namespace assay
