#pragma once
// The keys `tokenizer.*` of a GGUF file that say what a tokenizer is.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/gguf_writer.h"
#include "tokenizer/tokenizer.h"

namespace assay {

struct GgufTokenizer {
  GgufKeyValues values;
  std::vector<std::string> notes;  // what the keys cannot say
};

// Ids that a checkpoint's config names where its tokenizer does not.
struct ConfigIds {
  std::optional<int64_t> bos = {}, eos = {};
};

// `num_tokens` is the number of rows of the embedding: ids without a token get one, "[PAD7]", that
// no text becomes. Error(kBadInput) on a kind that is not written, on a pre-tokenizer without a
// name in GGUF files, and on more tokens than rows.
GgufTokenizer tokenizer_to_gguf(const Tokenizer& tokenizer, int64_t num_tokens,
                                const ConfigIds& config);

}  // namespace assay
