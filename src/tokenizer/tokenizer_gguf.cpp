// The tokenizer inside of a GGUF file. Format:
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

#include <unordered_set>

#include "base/error.h"
#include "io/gguf.h"
#include "tokenizer/code_points.h"
#include "tokenizer/pre_tokenizer_names.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_impl.h"

namespace assay {
namespace {

enum GgufTokenType : int64_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

std::string kind_of_model(const std::string& model) {
  if (model == "llama") return "SentencePiece BPE";
  if (model == "bert") return "WordPiece";
  if (model == "t5") return "SentencePiece unigram";
  return "unknown";
}

void read_vocab(const GgufFile& file, TokenizerSpec& spec) {
  const auto& tokens = file.strings("tokenizer.ggml.tokens");
  require_intact(tokens.size() < size_t{1} << 31, "tokenizer.ggml.tokens: ", tokens.size(),
                 " entries");
  std::unordered_set<std::string_view> seen;
  for (size_t id = 0; id < tokens.size(); ++id) {
    require_intact(to_valid_utf8(tokens[id]) == tokens[id], "tokenizer.ggml.tokens[", id,
                   "]: not UTF-8");
    require_intact(seen.insert(tokens[id]).second, "tokenizer.ggml.tokens[", id, "]: '", tokens[id],
                   "' is there twice");
    spec.vocab.emplace_back(tokens[id], static_cast<int32_t>(id));
  }
  const auto& merges = file.strings("tokenizer.ggml.merges");
  for (size_t i = 0; i < merges.size(); ++i) {
    const size_t space = merges[i].find(' ');
    require_intact(
        space != std::string::npos && merges[i].find(' ', space + 1) == std::string::npos,
        "tokenizer.ggml.merges[", i, "]: '", to_valid_utf8(merges[i]),
        "' is not two tokens with a space between them");
    spec.merges.emplace_back(merges[i].substr(0, space), merges[i].substr(space + 1));
  }
}

void read_added_tokens(const GgufFile& file, TokenizerSpec& spec) {
  if (!file.has("tokenizer.ggml.token_type")) return;
  const auto types = file.integers("tokenizer.ggml.token_type");
  require_intact(types.size() == spec.vocab.size(), "tokenizer.ggml.token_type: ", types.size(),
                 " entries for ", spec.vocab.size(), " tokens");
  for (size_t id = 0; id < types.size(); ++id) {
    require_intact(types[id] >= kNormal && types[id] <= kByte, "tokenizer.ggml.token_type[", id,
                   "]: ", types[id]);
    const bool special = types[id] == kControl || types[id] == kUnknown;
    if (!special && types[id] != kUserDefined) continue;
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

Json bos_template(const std::string& bos, int32_t id) {
  const Json text{{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const Json second{{"Sequence", {{"id", "B"}, {"type_id", 1}}}};
  const Json token{{"SpecialToken", {{"id", bos}, {"type_id", 0}}}};
  const Json second_token{{"SpecialToken", {{"id", bos}, {"type_id", 1}}}};
  return Json{{"type", "TemplateProcessing"},
              {"single", Json::array({token, text})},
              {"pair", Json::array({token, text, second_token, second})},
              {"special_tokens",
               {{bos, {{"id", bos}, {"ids", Json::array({id})}, {"tokens", Json::array({bos})}}}}}};
}

void read_config(const GgufFile& file, bool adds_bos, TokenizerSpec& spec) {
  Json& config = spec.config;
  config["tokenizer_class"] = "PreTrainedTokenizerFast";
  config["clean_up_tokenization_spaces"] = false;
  const std::string bos = token_named(file, "tokenizer.ggml.bos_token_id", spec);
  adds_bos = file.find_boolean("tokenizer.ggml.add_bos_token").value_or(adds_bos && !bos.empty());
  require_intact(!adds_bos || !bos.empty(),
                 "tokenizer.ggml.add_bos_token: true without tokenizer.ggml.bos_token_id");
  config["add_bos_token"] = adds_bos;
  if (adds_bos)
    spec.post_processor =
        bos_template(bos, static_cast<int32_t>(file.integer("tokenizer.ggml.bos_token_id")));
  require_intact(!file.find_boolean("tokenizer.ggml.add_eos_token").value_or(false),
                 "tokenizer.ggml.add_eos_token: a token behind every text is not supported");
  if (!bos.empty()) config["bos_token"] = bos;
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

}  // namespace

Tokenizer tokenizer_from_gguf(const GgufFile& file) {
  const std::string model = file.string("tokenizer.ggml.model");
  require(model == "gpt2", "tokenizer.ggml.model: '", model, "' (", kind_of_model(model),
          ") is not supported yet; only byte-level BPE ('gpt2') is");
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
  read_vocab(file, spec);
  read_added_tokens(file, spec);
  read_config(file, named.adds_bos, spec);
  return make_tokenizer(std::move(spec));
}

}  // namespace assay
