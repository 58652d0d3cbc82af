// The tokenizer inside of a GGUF file. Format:
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_set>

#include "base/error.h"
#include "io/gguf.h"
#include "tokenizer/code_points.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/pre_tokenizer_names.h"
#include "tokenizer/sentencepiece_spec.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_impl.h"

namespace assay {
namespace {

using namespace std::string_view_literals;
using Kind = SentencePieceModel::Kind;  // `tokenizer.ggml.token_type` has SentencePiece's numbers

constexpr std::array kModels{"gpt2"sv, "llama"sv, "t5"sv, "gemma4"sv};

// Checked: UTF-8, and each there once.
const std::vector<std::string>& read_tokens(const GgufFile& file) {
  const auto& tokens = file.strings("tokenizer.ggml.tokens");
  require_intact(tokens.size() < size_t{1} << 31, "tokenizer.ggml.tokens: ", tokens.size(),
                 " entries");
  std::unordered_set<std::string_view> seen;
  for (size_t id = 0; id < tokens.size(); ++id) {
    require_intact(to_valid_utf8(tokens[id]) == tokens[id], "tokenizer.ggml.tokens[", id,
                   "]: not UTF-8");
    require_intact(seen.insert(tokens[id]).second, "tokenizer.ggml.tokens[", id, "]: '", tokens[id],
                   "' is there twice");
  }
  return tokens;
}

// Of each token; all are normal where the file does not say.
std::vector<Kind> read_kinds(const GgufFile& file, size_t num_tokens) {
  if (!file.has("tokenizer.ggml.token_type")) return std::vector<Kind>(num_tokens, Kind::kNormal);
  const auto types = file.integers("tokenizer.ggml.token_type");
  require_intact(types.size() == num_tokens, "tokenizer.ggml.token_type: ", types.size(),
                 " entries for ", num_tokens, " tokens");
  std::vector<Kind> kinds;
  for (size_t id = 0; id < types.size(); ++id) {
    require_intact(types[id] >= 1 && types[id] <= 6, "tokenizer.ggml.token_type[", id,
                   "]: ", types[id]);
    kinds.push_back(static_cast<Kind>(types[id]));
  }
  return kinds;
}

void read_merges(const GgufFile& file, TokenizerSpec& spec) {
  const auto& merges = file.strings("tokenizer.ggml.merges");
  spec.merges.clear();
  for (size_t i = 0; i < merges.size(); ++i) {
    const size_t space = merges[i].find(' ');
    require_intact(
        space != std::string::npos && merges[i].find(' ', space + 1) == std::string::npos,
        "tokenizer.ggml.merges[", i, "]: '", to_valid_utf8(merges[i]),
        "' is not two tokens with a space between them");
    spec.merges.emplace_back(merges[i].substr(0, space), merges[i].substr(space + 1));
  }
}

void add_added_tokens(const std::vector<Kind>& kinds, TokenizerSpec& spec) {
  for (size_t id = 0; id < kinds.size(); ++id) {
    const bool special = kinds[id] == Kind::kControl || kinds[id] == Kind::kUnknown;
    if (!special && kinds[id] != Kind::kUserDefined) continue;
    AddedToken token;
    token.id = static_cast<int32_t>(id);
    token.content = spec.vocab[id].first;
    token.special = special;
    if (!token.content.empty()) spec.added_tokens.push_back(std::move(token));
  }
}

// The content of the token that `key` gives the id of; empty where the file does not have the key.
std::string token_named(const GgufFile& file, const std::string& key, const TokenizerSpec& spec) {
  const auto id = file.find_integer(key);
  if (!id) return "";
  require_intact(*id >= 0 && *id < static_cast<int64_t>(spec.vocab.size()), key, ": ", *id, " of ",
                 spec.vocab.size(), " tokens");
  return spec.vocab[static_cast<size_t>(*id)].first;
}

std::optional<NamedToken> optional_token(const GgufFile& file, const std::string& key,
                                         const TokenizerSpec& spec) {
  const std::string content = token_named(file, key, spec);
  if (content.empty()) return std::nullopt;
  return NamedToken{content, static_cast<int32_t>(file.integer(key))};
}

// Which tokens stand around a text where the file does not say.
struct FrameDefaults {
  bool bos = false, eos = false;
};

void read_config(const GgufFile& file, FrameDefaults defaults, TokenizerSpec& spec) {
  Json& config = spec.config;
  config["tokenizer_class"] = "PreTrainedTokenizerFast";
  config["clean_up_tokenization_spaces"] = false;
  const auto bos = optional_token(file, "tokenizer.ggml.bos_token_id", spec);
  const auto eos = optional_token(file, "tokenizer.ggml.eos_token_id", spec);
  const auto adds = [&](const std::string& key, bool fallback, bool has_token, const char* id_key) {
    const bool added = file.find_boolean(key).value_or(fallback && has_token);
    require_intact(!added || has_token, key, ": true without ", id_key);
    return added;
  };
  const bool adds_bos = adds("tokenizer.ggml.add_bos_token", defaults.bos, bos.has_value(),
                             "tokenizer.ggml.bos_token_id");
  const bool adds_eos = adds("tokenizer.ggml.add_eos_token", defaults.eos, eos.has_value(),
                             "tokenizer.ggml.eos_token_id");
  config["add_bos_token"] = adds_bos;
  if (adds_eos) config["add_eos_token"] = true;
  if (adds_bos || adds_eos) {
    spec.post_processor =
        bos_eos_template(adds_bos ? bos : std::nullopt, adds_eos ? eos : std::nullopt);
  }
  if (bos) config["bos_token"] = bos->content;
  constexpr std::pair<const char*, const char*> kNames[] = {
      {"eos_token", "tokenizer.ggml.eos_token_id"},
      {"unk_token", "tokenizer.ggml.unknown_token_id"},
      {"pad_token", "tokenizer.ggml.padding_token_id"}};
  for (const auto& [name, key] : kNames) {
    if (const auto token = token_named(file, key, spec); !token.empty()) config[name] = token;
  }
  if (const auto text = file.find_string("tokenizer.chat_template"))
    config["chat_template"] = to_valid_utf8(*text);
}

TokenizerSpec read_byte_level(const GgufFile& file) {
  TokenizerSpec spec;
  const auto& named =
      pre_tokenizer_named(file.find_string("tokenizer.ggml.pre").value_or("default"));
  spec.pre_tokenizer = pre_tokenizer_json(named);
  if (named.nfc) spec.normalizer = Json{{"type", "NFC"}};
  spec.decoder = Json{{"type", "ByteLevel"},
                      {"add_prefix_space", true},
                      {"trim_offsets", true},
                      {"use_regex", true}};
  spec.ignore_merges = named.ignore_merges;
  for (const std::string& token : read_tokens(file))
    spec.vocab.emplace_back(token, static_cast<int32_t>(spec.vocab.size()));
  read_merges(file, spec);
  add_added_tokens(read_kinds(file, spec.vocab.size()), spec);
  read_config(file, {.bos = named.adds_bos}, spec);
  return spec;
}

// User-defined pieces are stored with real spaces, all others with SentencePiece's.
std::string escaped_spaces(const std::string& text) {
  std::string escaped;
  for (const char c : text) escaped += c == ' ' ? std::string("\u2581") : std::string(1, c);
  return escaped;
}

// An array of u8 or i8, empty where the file has none.
std::string read_charsmap(const GgufFile& file) {
  const auto found = file.values.find("tokenizer.ggml.precompiled_charsmap");
  if (found == file.values.end()) return "";
  if (const auto* bytes = std::get_if<std::vector<uint8_t>>(&found->second))
    return {bytes->begin(), bytes->end()};
  std::string charsmap;
  for (const int64_t byte : file.integers(found->first)) charsmap += static_cast<char>(byte);
  return charsmap;
}

SentencePieceModel read_sentencepiece(const GgufFile& file, SentencePieceModel::Type type) {
  const auto& tokens = read_tokens(file);
  const auto kinds = read_kinds(file, tokens.size());
  const auto scores = file.has("tokenizer.ggml.scores") ? file.floats("tokenizer.ggml.scores")
                                                        : std::vector<float>(tokens.size(), 0.0f);
  require_intact(scores.size() == tokens.size(), "tokenizer.ggml.scores: ", scores.size(),
                 " entries for ", tokens.size(), " tokens");
  SentencePieceModel model;
  model.type = type;
  for (size_t id = 0; id < tokens.size(); ++id) {
    require_intact(!std::isnan(scores[id]), "tokenizer.ggml.scores[", id, "]: NaN");
    const bool user_defined = kinds[id] == Kind::kUserDefined;
    model.pieces.push_back(
        {user_defined ? escaped_spaces(tokens[id]) : tokens[id], scores[id], kinds[id]});
    model.byte_fallback = model.byte_fallback || kinds[id] == Kind::kByte;
  }
  const auto unknown = file.find_integer("tokenizer.ggml.unknown_token_id");
  const auto first_unknown = std::ranges::find(kinds, Kind::kUnknown) - kinds.begin();
  const bool has_unknown = first_unknown < static_cast<int64_t>(kinds.size());
  model.unk_id = unknown.value_or(has_unknown ? first_unknown : -1);
  require_intact(model.unk_id >= -1 && model.unk_id < static_cast<int64_t>(tokens.size()),
                 "tokenizer.ggml.unknown_token_id: ", model.unk_id, " of ", tokens.size(),
                 " tokens");
  model.add_dummy_prefix = file.find_boolean("tokenizer.ggml.add_space_prefix").value_or(true);
  model.remove_extra_whitespaces =
      file.find_boolean("tokenizer.ggml.remove_extra_whitespaces").value_or(false);
  model.precompiled_charsmap = read_charsmap(file);
  return model;
}

// llama.cpp puts the space in front of every stretch between special tokens, and BOS in front of
// texts of a file that does not say.
TokenizerSpec read_sentencepiece_bpe(const GgufFile& file) {
  TokenizerSpec spec =
      spec_of(read_sentencepiece(file, SentencePieceModel::Type::kBpe), DummyPrefix::kEveryStretch);
  if (file.has("tokenizer.ggml.merges")) read_merges(file, spec);
  read_config(file, {.bos = true}, spec);
  return spec;
}

// Gemma 4's files have merges, and its reference adds no BOS whatever they say: the chat template
// writes it (ggml-org/llama.cpp#21500).
TokenizerSpec read_gemma4(const GgufFile& file) {
  SentencePieceModel model = read_sentencepiece(file, SentencePieceModel::Type::kBpe);
  model.add_dummy_prefix = false;
  TokenizerSpec spec = spec_of(model, DummyPrefix::kEveryStretch);
  read_merges(file, spec);
  read_config(file, {}, spec);
  spec.config["add_bos_token"] = false;
  spec.post_processor = Json();
  return spec;
}

TokenizerSpec read_unigram(const GgufFile& file) {
  TokenizerSpec spec = spec_of(read_sentencepiece(file, SentencePieceModel::Type::kUnigram),
                               DummyPrefix::kEveryStretch);
  read_config(file, {.eos = true}, spec);
  return spec;
}

}  // namespace

Tokenizer tokenizer_from_gguf(const GgufFile& file) {
  const std::string model = file.string("tokenizer.ggml.model");
  if (model == "gpt2") return make_tokenizer(read_byte_level(file));
  if (model == "llama") return make_tokenizer(read_sentencepiece_bpe(file));
  if (model == "gemma4") return make_tokenizer(read_gemma4(file));
  if (model == "t5") return make_tokenizer(read_unigram(file));
  fail(ErrorKind::kBadInput, "tokenizer.ggml.model: '", model, "' is not supported",
       suggest(model, kModels));
}

}  // namespace assay
