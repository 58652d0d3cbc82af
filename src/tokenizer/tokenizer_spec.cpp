#include "tokenizer/tokenizer_spec.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "tokenizer/json_fields.h"

namespace assay {
namespace {

using namespace std::string_view_literals;
using Vocab = std::unordered_map<std::string_view, int32_t>;

constexpr std::array kModelTypes{"BPE"sv, "Unigram"sv, "WordPiece"sv};

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

void parse_vocab_object(const Json& model, TokenizerSpec& spec) {
  const Json& vocab = field(model, "vocab", "model");
  require_intact(vocab.is_object(), "model.vocab: expected an object, got ", vocab.type_name());
  spec.vocab.reserve(vocab.size());
  for (const auto& [token, id] : vocab.items())
    spec.vocab.emplace_back(token, id_of(id, "model.vocab['" + token + "']"));
}

void parse_bpe(const Json& model, TokenizerSpec& spec) {
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    require_intact(string_field_or(model, key, "", "model").empty(), "model.", key,
                   ": only null or \"\" is supported");
  }
  const Json& dropout = field_or_null(model, "dropout");
  require_intact(dropout.is_null() || (dropout.is_number() && dropout.get<double>() == 0),
                 "model.dropout: ids would be random");
  parse_vocab_object(model, spec);
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
  spec.byte_fallback = bool_field_or(model, "byte_fallback", false, "model");
  spec.ignore_merges = bool_field_or(model, "ignore_merges", false, "model");
}

void parse_unigram(const Json& model, TokenizerSpec& spec) {
  const Json& vocab = field(model, "vocab", "model");
  require_intact(vocab.is_array(), "model.vocab: expected an array, got ", vocab.type_name());
  require_intact(vocab.size() < size_t{1} << 31, "model.vocab: ", vocab.size(), " entries");
  std::unordered_set<std::string_view> seen;
  for (size_t i = 0; i < vocab.size(); ++i) {
    const Json& entry = vocab[i];
    require_intact(
        entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_number(),
        "model.vocab[", i, "]: expected [token, score]");
    const auto& token = entry[0].get_ref<const std::string&>();
    require_intact(seen.insert(token).second, "model.vocab[", i, "]: '", token, "' is there twice");
    spec.vocab.emplace_back(token, static_cast<int32_t>(i));
    spec.scores.push_back(entry[1].get<double>());
  }
  if (const Json& unknown = field_or_null(model, "unk_id"); !unknown.is_null()) {
    const int32_t id = id_of(unknown, "model.unk_id");
    require_intact(static_cast<size_t>(id) < spec.vocab.size(), "model.unk_id: ", id, " of ",
                   spec.vocab.size(), " tokens");
    spec.unk_token = spec.vocab[static_cast<size_t>(id)].first;
  }
  spec.byte_fallback = bool_field_or(model, "byte_fallback", false, "model");
}

void parse_word_piece(const Json& model, TokenizerSpec& spec) {
  parse_vocab_object(model, spec);
  spec.unk_token = string_field_or(model, "unk_token", "[UNK]", "model");
  spec.continuing_subword_prefix =
      string_field_or(model, "continuing_subword_prefix", "##", "model");
  if (const Json& max = field_or_null(model, "max_input_chars_per_word"); !max.is_null())
    spec.max_input_chars_per_word = id_of(max, "model.max_input_chars_per_word");
}

// Older files do not say the type: only BPE has merges, only unigram lists its vocabulary.
std::string type_of_model(const Json& model) {
  const bool list = field_or_null(model, "vocab").is_array();
  const char* guess = list ? "Unigram" : model.contains("merges") ? "BPE" : "WordPiece";
  return string_field_or(model, "type", guess, "model");
}

void parse_model(const Json& model, TokenizerSpec& spec) {
  require_intact(model.is_object(), "model: expected an object, got ", model.type_name());
  const std::string type = type_of_model(model);
  const auto found = std::ranges::find(kModelTypes, type);
  require_intact(found != kModelTypes.end(), "model.type: '", type, "' is not supported",
                 suggest(type, kModelTypes));
  spec.type = static_cast<ModelType>(found - kModelTypes.begin());
  switch (spec.type) {
    case ModelType::kBpe:
      return parse_bpe(model, spec);
    case ModelType::kUnigram:
      return parse_unigram(model, spec);
    case ModelType::kWordPiece:
      return parse_word_piece(model, spec);
  }
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
    for (size_t i = 0; i < spec.added_tokens.size(); ++i) {
      positions_.emplace(spec.added_tokens[i].content, i);
      next_id_ = std::max(next_id_, spec.added_tokens[i].id + 1);
    }
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

void parse_added_tokens(const Json& json, TokenizerSpec& spec) {
  const Json& list = field_or_null(json, "added_tokens");
  if (list.is_null()) return;
  require_intact(list.is_array(), "added_tokens: expected an array, got ", list.type_name());
  AddedTokens added(spec);
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string where = "added_tokens[" + std::to_string(i) + "]";
    added.add(parse_added_token(list[i], where), field(list[i], "id", where), where);
  }
}

// The entries of `added_tokens_decoder`, in the order of their ids.
void add_decoder_tokens(const Json& decoder, AddedTokens& added) {
  require_intact(decoder.is_object(), "tokenizer_config.added_tokens_decoder: expected an object");
  std::map<int32_t, std::pair<std::string, AddedToken>> by_id;
  for (const auto& [key, value] : decoder.items()) {
    const std::string where = "tokenizer_config.added_tokens_decoder['" + key + "']";
    int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    require_intact(error == std::errc() && end == key.data() + key.size() && id >= 0, where,
                   ": the key is no token id");
    by_id[id] = {where, parse_added_token(value, where)};
  }
  for (auto& [id, entry] : by_id) added.add(std::move(entry.second), id, entry.first);
}

// A special token of tokenizer_config.json is its text or an object that holds it.
void add_named_token(const Json& value, const std::string& where, AddedTokens& added) {
  if (value.is_null()) return;
  auto token = parse_added_token(value.is_string() ? Json{{"content", value}} : value, where);
  if (added.has(token.content)) return;
  token.special = true;
  token.normalized = false;
  added.add(std::move(token), nullptr, where);
}

}  // namespace

void add_tokens_of_config(TokenizerSpec& spec) {
  AddedTokens added(spec);
  const Json& config = spec.config;
  if (const Json& decoder = field_or_null(config, "added_tokens_decoder"); !decoder.is_null())
    add_decoder_tokens(decoder, added);
  for (const char* key : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
                          "cls_token", "mask_token"}) {
    add_named_token(field_or_null(config, key), std::string("tokenizer_config.") + key, added);
  }
  const Json& more = field_or_null(config, "additional_special_tokens");
  if (!more.is_array()) return;
  for (const Json& token : more)
    add_named_token(token, "tokenizer_config.additional_special_tokens", added);
}

Json parse_tokenizer_config(std::string_view bytes) {
  if (bytes.empty()) return Json::object();
  Json config = parse_intact_json(bytes, "tokenizer_config.json");
  require_intact(config.is_object(), "tokenizer_config.json: expected an object, got ",
                 config.type_name());
  return config;
}

TokenizerSpec parse_tokenizer_json(std::string_view tokenizer_json,
                                   std::string_view tokenizer_config) {
  const Json json = parse_intact_json(tokenizer_json, "tokenizer.json");
  require_intact(json.is_object(), "tokenizer.json: expected an object, got ", json.type_name());
  TokenizerSpec spec;
  spec.config = parse_tokenizer_config(tokenizer_config);
  in_context("tokenizer.json", [&] {
    require_intact(string_field_or(json, "version", "1.0", "tokenizer.json") == "1.0",
                   "version: only \"1.0\" is known");
    parse_model(field(json, "model", "tokenizer.json"), spec);
    parse_added_tokens(json, spec);
    add_tokens_of_config(spec);
    spec.normalizer = field_or_null(json, "normalizer");
    spec.pre_tokenizer = field_or_null(json, "pre_tokenizer");
    spec.post_processor = field_or_null(json, "post_processor");
    spec.decoder = field_or_null(json, "decoder");
    // transformers' classes of byte-level families rebuild this step from the config.
    if (string_field_or(spec.pre_tokenizer, "type", "", "pre_tokenizer") == "ByteLevel") {
      Json& prefix = spec.pre_tokenizer["add_prefix_space"];
      prefix = bool_field_or(spec.config, "add_prefix_space",
                             bool_field(spec.pre_tokenizer, "add_prefix_space", "pre_tokenizer"),
                             "tokenizer_config");
    }
  });
  return spec;
}

}  // namespace assay
