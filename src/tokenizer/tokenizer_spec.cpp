#include "tokenizer/tokenizer_spec.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "tokenizer/json_fields.h"

namespace assay {
namespace {

using Vocab = std::unordered_map<std::string_view, int32_t>;

void require_plain_bpe(const Json& model) {
  const std::string type = string_field_or(model, "type", "BPE", "model");
  require_intact(type == "BPE", "model.type: '", type,
                 "' is not supported yet; only byte-level BPE is");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    require_intact(string_field_or(model, key, "", "model").empty(), "model.", key,
                   ": only null or \"\" is supported");
  }
  const Json& dropout = field_or_null(model, "dropout");
  require_intact(dropout.is_null() || (dropout.is_number() && dropout.get<double>() == 0),
                 "model.dropout: ids would be random");
}

std::pair<std::string, std::string> parse_merge(const Json& merge, const std::string& where) {
  if (merge.is_array()) {
    require_intact(merge.size() == 2 && merge[0].is_string() && merge[1].is_string(), where,
                   ": expected two tokens");
    return {merge[0].get<std::string>(), merge[1].get<std::string>()};
  }
  require_intact(merge.is_string(), where, ": expected two tokens, got ", merge.type_name());
  const auto& text = merge.get_ref<const std::string&>();
  const size_t space = text.find(' ');
  require_intact(space != std::string::npos && text.find(' ', space + 1) == std::string::npos,
                 where, ": '", text, "' is not two tokens with a space between them");
  return {text.substr(0, space), text.substr(space + 1)};
}

void parse_model(const Json& model, TokenizerSpec& spec) {
  require_intact(model.is_object(), "model: expected an object, got ", model.type_name());
  require_plain_bpe(model);
  const Json& vocab = field(model, "vocab", "model");
  require_intact(vocab.is_object(), "model.vocab: expected an object, got ", vocab.type_name());
  spec.vocab.reserve(vocab.size());
  for (const auto& [token, id] : vocab.items())
    spec.vocab.emplace_back(token, id_of(id, "model.vocab['" + token + "']"));
  const Json& merges = field(model, "merges", "model");
  require_intact(merges.is_array(), "model.merges: expected an array, got ", merges.type_name());
  spec.merges.reserve(merges.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    const bool comment =
        merges[i].is_string() && merges[i].get_ref<const std::string&>().starts_with("#version");
    if (!comment)
      spec.merges.push_back(parse_merge(merges[i], "model.merges[" + std::to_string(i) + "]"));
  }
  if (const Json& unknown = field_or_null(model, "unk_token"); !unknown.is_null()) {
    spec.unk_token = string_field(model, "unk_token", "model");
  }
  spec.fuse_unk = bool_field_or(model, "fuse_unk", false, "model");
  spec.ignore_merges = bool_field_or(model, "ignore_merges", false, "model");
  require_intact(
      !bool_field_or(model, "byte_fallback", false, "model"),
      "model.byte_fallback: SentencePiece-style BPE is not supported yet; only byte-level BPE is");
}

AddedToken parse_added_token(const Json& json, const std::string& where) {
  AddedToken token;
  token.content = string_field(json, "content", where);
  token.single_word = bool_field_or(json, "single_word", false, where);
  token.lstrip = bool_field_or(json, "lstrip", false, where);
  token.rstrip = bool_field_or(json, "rstrip", false, where);
  token.special = bool_field_or(json, "special", false, where);
  token.normalized = bool_field_or(json, "normalized", !token.special, where);
  return token;
}

// Adds tokens as the library does: a token of the vocabulary keeps its id, a new one gets the next
// that is free. An id that the file gives otherwise is an error, for the library would use another
// than the file says.
class AddedTokens {
 public:
  explicit AddedTokens(TokenizerSpec& spec)
      : spec_(spec), next_id_(static_cast<int32_t>(spec.vocab.size())) {
    for (const auto& [token, id] : spec.vocab) vocab_.emplace(token, id);
  }

  void add(AddedToken token, const Json& stated_id, const std::string& where) {
    if (token.content.empty()) return;
    const auto [position, is_new] =
        positions_.try_emplace(token.content, spec_.added_tokens.size());
    token.id = is_new ? id_for(token.content) : spec_.added_tokens[position->second].id;
    if (!stated_id.is_null()) {
      const int32_t stated = id_of(stated_id, where + ".id");
      require_intact(stated == token.id, where, ".id: '", token.content, "' is ", token.id,
                     " by the vocabulary, not ", stated);
    }
    next_id_ = std::max(next_id_, token.id + 1);
    if (is_new) {
      spec_.added_tokens.push_back(std::move(token));
    } else {
      spec_.added_tokens[position->second] = std::move(token);
    }
  }

  bool has(const std::string& content) const { return positions_.contains(content); }

 private:
  int32_t id_for(const std::string& content) const {
    const auto in_vocab = vocab_.find(content);
    return in_vocab != vocab_.end() ? in_vocab->second : next_id_;
  }

  TokenizerSpec& spec_;
  Vocab vocab_;
  std::unordered_map<std::string, size_t> positions_;  // in spec_.added_tokens
  int32_t next_id_;  // of a token that the vocabulary does not hold
};

// A special token of tokenizer_config.json is its text or an object that holds it.
Json named_token(const Json& config, const std::string& key) {
  const Json& value = field_or_null(config, key);
  if (value.is_string()) return Json{{"content", value}, {"special", true}};
  return value;
}

void parse_added_tokens(const Json& json, TokenizerSpec& spec) {
  AddedTokens added(spec);
  if (const Json& list = field_or_null(json, "added_tokens"); !list.is_null()) {
    require_intact(list.is_array(), "added_tokens: expected an array, got ", list.type_name());
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string where = "added_tokens[" + std::to_string(i) + "]";
      added.add(parse_added_token(list[i], where), field(list[i], "id", where), where);
    }
  }
  // transformers adds what the second file names and the first does not hold.
  for (const char* key : {"bos_token", "eos_token", "unk_token", "pad_token"}) {
    const Json token = named_token(spec.config, key);
    if (token.is_null()) continue;
    const std::string where = std::string("tokenizer_config.") + key;
    auto parsed = parse_added_token(token, where);
    if (added.has(parsed.content)) continue;
    parsed.special = true;
    parsed.normalized = false;
    added.add(std::move(parsed), nullptr, where);
  }
}

// The name of the token that `piece` of a template stands for, empty for the text itself.
std::string template_token(const Json& piece, const std::string& where) {
  if (piece.is_object() && piece.contains("Sequence")) return "";
  return string_field(field(piece, "SpecialToken", where), "id", where + ".SpecialToken");
}

std::vector<int32_t> template_prefix(const Json& processor, const std::string& where) {
  const Json& single = field(processor, "single", where);
  require_intact(single.is_array(), where, ".single: expected an array");
  std::vector<int32_t> prefix;
  bool behind_text = false;
  for (const Json& piece : single) {
    const std::string token = template_token(piece, where + ".single");
    if (token.empty()) {
      behind_text = true;
      continue;
    }
    require_intact(!behind_text, where, ".single: a token behind the text ('", token,
                   "') is not supported");
    const Json& ids =
        field(field(field(processor, "special_tokens", where), token, where + ".special_tokens"),
              "ids", where + ".special_tokens['" + token + "']");
    require_intact(ids.is_array(), where, ".special_tokens['", token, "'].ids: expected an array");
    for (const Json& id : ids)
      prefix.push_back(id_of(id, where + ".special_tokens['" + token + "'].ids"));
  }
  return prefix;
}

}  // namespace

std::vector<int32_t> prefix_of_post_processor(const Json& json) {
  if (json.is_null()) return {};
  const std::string type = string_field(json, "type", "post_processor");
  if (type == "ByteLevel") return {};  // it trims offsets
  if (type == "TemplateProcessing") return template_prefix(json, "post_processor");
  require_intact(type == "Sequence", "post_processor: the type '", type,
                 "' is not supported (known: TemplateProcessing, ByteLevel, Sequence)");
  const Json& list = field(json, "processors", "post_processor");
  require_intact(list.is_array(), "post_processor.processors: expected an array");
  std::vector<int32_t> all;
  for (const Json& one : list) {
    const auto prefix = prefix_of_post_processor(one);
    all.insert(all.begin(), prefix.begin(), prefix.end());
  }
  return all;
}

TokenizerSpec parse_tokenizer_json(std::string_view tokenizer_json,
                                   std::string_view tokenizer_config) {
  const Json json = parse_intact_json(tokenizer_json, "tokenizer.json");
  require_intact(json.is_object(), "tokenizer.json: expected an object, got ", json.type_name());
  TokenizerSpec spec;
  if (!tokenizer_config.empty()) {
    spec.config = parse_intact_json(tokenizer_config, "tokenizer_config.json");
    require_intact(spec.config.is_object(), "tokenizer_config.json: expected an object, got ",
                   spec.config.type_name());
  }
  in_context("tokenizer.json", [&] {
    require_intact(string_field_or(json, "version", "1.0", "tokenizer.json") == "1.0",
                   "version: only \"1.0\" is known");
    parse_model(field(json, "model", "tokenizer.json"), spec);
    parse_added_tokens(json, spec);
    spec.normalizer = field_or_null(json, "normalizer");
    spec.pre_tokenizer = field_or_null(json, "pre_tokenizer");
    spec.post_processor = field_or_null(json, "post_processor");
    spec.decoder = field_or_null(json, "decoder");
  });
  return spec;
}

Json tokenizer_json_of(const TokenizerSpec& spec) {
  Json added = Json::array();
  for (const AddedToken& token : spec.added_tokens) {
    added.push_back(Json{{"id", token.id},
                         {"content", token.content},
                         {"single_word", token.single_word},
                         {"lstrip", token.lstrip},
                         {"rstrip", token.rstrip},
                         {"normalized", token.normalized},
                         {"special", token.special}});
  }
  Json::object_t vocab;
  vocab.reserve(
      spec.vocab.size());  // appended, not inserted: an ordered object searches all its keys first
  for (const auto& [token, id] : spec.vocab)
    vocab.Json::object_t::Container::emplace_back(token, id);
  Json merges = Json::array();
  for (const auto& [left, right] : spec.merges) merges.push_back(Json::array({left, right}));
  Json model{{"type", "BPE"},
             {"dropout", nullptr},
             {"unk_token", spec.unk_token ? Json(*spec.unk_token) : Json()},
             {"continuing_subword_prefix", nullptr},
             {"end_of_word_suffix", nullptr},
             {"fuse_unk", spec.fuse_unk},
             {"byte_fallback", false},
             {"ignore_merges", spec.ignore_merges}};
  model["vocab"] = std::move(vocab);
  model["merges"] = std::move(merges);
  Json json{{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
  json["added_tokens"] = std::move(added);
  json["normalizer"] = spec.normalizer;
  json["pre_tokenizer"] = spec.pre_tokenizer;
  json["post_processor"] = spec.post_processor;
  json["decoder"] = spec.decoder;
  json["model"] = std::move(model);
  return json;
}

}  // namespace assay
