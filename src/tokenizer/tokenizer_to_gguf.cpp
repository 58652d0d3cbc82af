#include "tokenizer/tokenizer_to_gguf.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/pre_tokenizer_names.h"

namespace assay {
namespace {

enum TokenType : int64_t { kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5 };

// The vocabulary by id, with the type of each token.
struct Tokens {
  std::vector<std::string> texts;
  std::vector<int64_t> types;

  explicit Tokens(int64_t count) {
    for (int64_t id = 0; id < count; ++id) texts.push_back("[PAD" + std::to_string(id) + "]");
    types.assign(texts.size(), kUnused);
  }

  void set(int64_t id, const std::string& text, int64_t type) {
    require(id >= 0 && id < std::ssize(texts), "token '", text, "' has the id ", id,
            ", the embedding has ", texts.size(), " rows");
    texts[static_cast<size_t>(id)] = text;
    types[static_cast<size_t>(id)] = type;
  }

  std::optional<int64_t> id_of(const std::string& text) const {
    const auto found = std::ranges::find(texts, text);
    if (found == texts.end()) return std::nullopt;
    return found - texts.begin();
  }
};

Tokens tokens_of(const Json& tokenizer, int64_t count, std::vector<std::string>& notes) {
  Tokens tokens(count);
  for (const auto& [text, id] : tokenizer["model"]["vocab"].items()) {
    tokens.set(id.get<int64_t>(), text, kNormal);
  }
  std::vector<std::string> with_rules;
  for (const Json& added : tokenizer["added_tokens"]) {
    const auto text = added["content"].get<std::string>();
    tokens.set(added["id"].get<int64_t>(), text,
               added["special"].get<bool>() ? kControl : kUserDefined);
    for (const char* rule : {"single_word", "lstrip", "rstrip"}) {
      if (!added.value(rule, false)) continue;
      with_rules.push_back(text);
      break;
    }
  }
  if (!with_rules.empty()) {
    notes.push_back("the rules for spaces around " + std::to_string(with_rules.size()) +
                    " added tokens ('" + with_rules.front() + "', ...)");
  }
  return tokens;
}

std::vector<std::string> merges_of(const Json& tokenizer) {
  std::vector<std::string> merges;
  for (const Json& merge : tokenizer["model"]["merges"]) {
    merges.push_back(merge.is_string()
                         ? merge.get<std::string>()
                         : merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  }
  return merges;
}

// The id of the token that tokenizer_config names, as a string or as an object with `content`.
std::optional<int64_t> named_id(const Json& config, const std::string& key, const Tokens& tokens) {
  const Json& value = field_or_null(config, key);
  if (value.is_null()) return std::nullopt;
  const auto text =
      value.is_string() ? value.get<std::string>() : string_field(value, "content", key);
  return tokens.id_of(text);
}

// Byte-level BPE, "gpt2" in GGUF files.
GgufTokenizer byte_level_bpe(const Json& json, const Tokenizer& tokenizer, int64_t num_tokens,
                             const ConfigIds& config_ids) {
  const NamedPreTokenizer* pre = name_of_pre_tokenizer(json["pre_tokenizer"], json["normalizer"],
                                                       json["model"]["ignore_merges"].get<bool>());
  require(pre != nullptr,
          "tokenizer: GGUF files name their pre-tokenizer (tokenizer.ggml.pre), and none of the "
          "names that are known says what this one does: ",
          json["pre_tokenizer"].dump());
  GgufTokenizer result;
  const Tokens tokens = tokens_of(json, num_tokens, result.notes);
  const Json config = tokenizer.to_tokenizer_config();
  result.values = {{"tokenizer.ggml.model", std::string("gpt2")},
                   {"tokenizer.ggml.pre", std::string(pre->name)},
                   {"tokenizer.ggml.tokens", tokens.texts},
                   {"tokenizer.ggml.token_type", tokens.types},
                   {"tokenizer.ggml.merges", merges_of(json)}};
  const auto put_id = [&](const char* key, std::optional<int64_t> id) {
    if (id) result.values.emplace_back(key, static_cast<uint64_t>(*id));
  };
  const auto or_else = [](std::optional<int64_t> first, std::optional<int64_t> second) {
    return first ? first : second;
  };
  put_id("tokenizer.ggml.bos_token_id", or_else(tokenizer.bos_id(), config_ids.bos));
  put_id("tokenizer.ggml.eos_token_id", or_else(tokenizer.eos_id(), config_ids.eos));
  put_id("tokenizer.ggml.unknown_token_id", named_id(config, "unk_token", tokens));
  put_id("tokenizer.ggml.padding_token_id", named_id(config, "pad_token", tokens));
  result.values.emplace_back("tokenizer.ggml.add_bos_token", tokenizer.adds_bos());
  result.values.emplace_back("tokenizer.ggml.add_eos_token", false);
  result.values.emplace_back("tokenizer.ggml.add_space_prefix", false);
  return result;
}

}  // namespace

GgufTokenizer tokenizer_to_gguf(const Tokenizer& tokenizer, int64_t num_tokens,
                                const ConfigIds& config) {
  const Json json = tokenizer.to_tokenizer_json();
  const std::string kind = json["model"].value("type", "");
  const bool falls_back_to_bytes = json["model"].value("byte_fallback", false);
  require(kind == "BPE" && !falls_back_to_bytes, "tokenizer: the kind ", kind,
          falls_back_to_bytes ? " with byte_fallback" : "",
          " is not written to GGUF files yet; byte-level BPE is");
  GgufTokenizer result = byte_level_bpe(json, tokenizer, num_tokens, config);
  if (const auto text = tokenizer.chat_template(); !text.empty()) {
    result.values.emplace_back("tokenizer.chat_template", text);
  }
  return result;
}

}  // namespace assay
