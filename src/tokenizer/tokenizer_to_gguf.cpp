#include "tokenizer/tokenizer_to_gguf.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_set>

#include "base/error.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/pre_tokenizer_names.h"

namespace assay {
namespace {

enum TokenType : int64_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

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

// The ids of special tokens, and which stand around a text.
void put_frame(const Tokenizer& tokenizer, const Tokens& tokens, const ConfigIds& config_ids,
               GgufKeyValues& values) {
  const Json config = tokenizer.to_tokenizer_config();
  const auto put_id = [&](const char* key, std::optional<int64_t> id) {
    if (id) values.emplace_back(key, static_cast<uint64_t>(*id));
  };
  const auto or_else = [](std::optional<int64_t> first, std::optional<int64_t> second) {
    return first ? first : second;
  };
  put_id("tokenizer.ggml.bos_token_id", or_else(tokenizer.bos_id(), config_ids.bos));
  put_id("tokenizer.ggml.eos_token_id", or_else(tokenizer.eos_id(), config_ids.eos));
  put_id("tokenizer.ggml.unknown_token_id", named_id(config, "unk_token", tokens));
  put_id("tokenizer.ggml.padding_token_id", named_id(config, "pad_token", tokens));
  values.emplace_back("tokenizer.ggml.add_bos_token", tokenizer.adds_bos());
  values.emplace_back("tokenizer.ggml.add_eos_token", false);
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
  result.values = {{"tokenizer.ggml.model", std::string("gpt2")},
                   {"tokenizer.ggml.pre", std::string(pre->name)},
                   {"tokenizer.ggml.tokens", tokens.texts},
                   {"tokenizer.ggml.token_type", tokens.types},
                   {"tokenizer.ggml.merges", merges_of(json)}};
  put_frame(tokenizer, tokens, config_ids, result.values);
  result.values.emplace_back("tokenizer.ggml.add_space_prefix", false);
  return result;
}

constexpr std::string_view kSpace = "\u2581";  // SentencePiece's

bool replaces_spaces(const Json& step) {
  return step.is_object() && step.value("type", "") == "Replace" &&
         step.value("pattern", Json()) == Json{{"String", " "}} &&
         step.value("content", "") == kSpace;
}

// Whether texts get a space in front, where normalizer and pre-tokenizer do what SentencePiece
// does; nothing where they do something else.
std::optional<bool> space_prefix(const Json& tokenizer, std::vector<std::string>& notes) {
  const Json &normalizer = tokenizer["normalizer"], &pre = tokenizer["pre_tokenizer"];
  if (normalizer.is_null() && pre.is_object() && pre.value("type", "") == "Metaspace" &&
      pre.value("prepend_scheme", "") == "first" && !pre.value("split", true)) {
    notes.emplace_back(
        "that only the first stretch of a text gets a space in front, not those "
        "behind special tokens");
    return true;
  }
  // A split at spaces finds none behind the replacement.
  const bool is_plain = pre.is_null() || (pre.value("type", "") == "Split" &&
                                          pre.value("pattern", Json()) == Json{{"String", " "}});
  if (!is_plain) return std::nullopt;
  if (replaces_spaces(normalizer)) return false;
  if (!normalizer.is_object() || normalizer.value("type", "") != "Sequence") return std::nullopt;
  const Json& steps = normalizer["normalizers"];
  if (steps.size() == 1 && replaces_spaces(steps[0])) return false;
  const bool prepends =
      steps.size() == 2 && steps[0] == Json{{"type", "Prepend"}, {"prepend", kSpace}};
  if (!prepends || !replaces_spaces(steps[1])) return std::nullopt;
  return true;
}

std::string joined(const std::string& merge) {
  const size_t space = merge.find(' ');
  return merge.substr(0, space) + merge.substr(space + 1);
}

// SentencePiece joins the pair whose piece has the highest score: that of a token falls with the
// rank of its merges. Pieces that nothing makes are characters, whose score is not looked at.
// Error where the merges of one token do not stand together: no scores say that.
std::vector<float> scores_of_merges(const std::vector<std::string>& merges, const Tokens& tokens) {
  std::map<std::string, int64_t, std::less<>> rank_of;
  std::string last;
  for (const std::string& merge : merges) {
    std::string token = joined(merge);
    if (token == last) continue;
    const bool is_new = rank_of.emplace(token, std::ssize(rank_of)).second;
    require(is_new, "tokenizer: the merges that make '", token,
            "' do not stand together, so that no scores of a GGUF file give their order");
    last = std::move(token);
  }
  std::vector<float> scores;
  for (size_t id = 0; id < tokens.texts.size(); ++id) {
    const auto rank = rank_of.find(tokens.texts[id]);
    const bool is_merged = tokens.types[id] == kNormal && rank != rank_of.end();
    const int64_t place = is_merged ? rank->second : std::ssize(rank_of);
    scores.push_back(tokens.types[id] == kNormal ? -static_cast<float>(place) : 0.0f);
  }
  return scores;
}

// A reader joins any two pieces whose text is one: none of those may be a pair that the tokenizer
// leaves apart.
void require_all_pairs(const std::vector<std::string>& merges, const Tokens& tokens) {
  std::unordered_set<std::string_view> normal;
  for (size_t id = 0; id < tokens.texts.size(); ++id) {
    if (tokens.types[id] == kNormal) normal.insert(tokens.texts[id]);
  }
  const std::unordered_set<std::string> listed(merges.begin(), merges.end());
  for (const std::string_view text : normal) {
    for (size_t cut = 1; cut < text.size(); ++cut) {
      const auto left = text.substr(0, cut), right = text.substr(cut);
      if (!normal.contains(left) || !normal.contains(right)) continue;
      std::string merge(left);
      merge.append(" ").append(right);
      require(listed.contains(merge), "tokenizer: a GGUF file would join '", left, "' and '", right,
              "', which this one does not");
    }
  }
}

bool is_byte_token(std::string_view text) {
  return text.size() == 6 && text.starts_with("<0x") && text.ends_with('>');
}

// Kinds and spellings as SentencePiece has them: user-defined pieces with real spaces.
void as_pieces(const Json& json, Tokens& tokens) {
  const Json& unknown = json["model"]["unk_token"];
  for (size_t id = 0; id < tokens.texts.size(); ++id) {
    std::string& text = tokens.texts[id];
    int64_t& type = tokens.types[id];
    if (unknown.is_string() && text == unknown.get<std::string>()) type = kUnknown;
    if (is_byte_token(text) && type == kNormal) type = kByte;
    if (type != kUserDefined) continue;
    for (size_t at = 0; (at = text.find(kSpace, at)) != std::string::npos;) {
      text.replace(at, kSpace.size(), " ");
    }
  }
}

// SentencePiece's BPE, "llama" in GGUF files.
GgufTokenizer sentencepiece_bpe(const Json& json, const Tokenizer& tokenizer, int64_t num_tokens,
                                const ConfigIds& config_ids) {
  GgufTokenizer result;
  const auto prefix = space_prefix(json, result.notes);
  require(
      prefix.has_value(),
      "tokenizer: a GGUF file of the kind llama replaces spaces and does nothing else, this one "
      "has the normalizer ",
      json["normalizer"].dump(), " and the pre-tokenizer ", json["pre_tokenizer"].dump());
  Tokens tokens = tokens_of(json, num_tokens, result.notes);
  const auto merges = merges_of(json);
  const auto scores = scores_of_merges(merges, tokens);
  as_pieces(json, tokens);
  require_all_pairs(merges, tokens);
  result.values = {{"tokenizer.ggml.model", std::string("llama")},
                   {"tokenizer.ggml.pre", std::string("default")},
                   {"tokenizer.ggml.tokens", tokens.texts},
                   {"tokenizer.ggml.scores", scores},
                   {"tokenizer.ggml.token_type", tokens.types}};
  put_frame(tokenizer, tokens, config_ids, result.values);
  result.values.emplace_back("tokenizer.ggml.add_space_prefix", *prefix);
  return result;
}

}  // namespace

GgufTokenizer tokenizer_to_gguf(const Tokenizer& tokenizer, int64_t num_tokens,
                                const ConfigIds& config) {
  const Json json = tokenizer.to_tokenizer_json();
  const std::string kind = json["model"].value("type", "");
  const bool falls_back_to_bytes = json["model"].value("byte_fallback", false);
  require(kind == "BPE", "tokenizer: the kind ", kind,
          " is not written to GGUF files yet; BPE of bytes and of SentencePiece is");
  GgufTokenizer result = falls_back_to_bytes
                             ? sentencepiece_bpe(json, tokenizer, num_tokens, config)
                             : byte_level_bpe(json, tokenizer, num_tokens, config);
  if (const auto text = tokenizer.chat_template(); !text.empty()) {
    result.values.emplace_back("tokenizer.chat_template", text);
  }
  return result;
}

}  // namespace assay
