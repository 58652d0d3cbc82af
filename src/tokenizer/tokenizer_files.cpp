// Tokenizers in their files (declared in tokenizer/tokenizer.h).

#include <algorithm>
#include <unordered_set>

#include "base/error.h"
#include "tokenizer/code_points.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/sentencepiece_spec.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_impl.h"

namespace assay {
namespace {

using Vocab = std::vector<std::pair<std::string, int32_t>>;

// Which stretches get the space in front. transformers: `legacy` is false for Llama's class and
// true for the others where the config does not say.
DummyPrefix dummy_prefix_of(const Json& config) {
  const bool llama = string_field_or(config, "tokenizer_class", "", "tokenizer_config")
                         .starts_with("LlamaTokenizer");
  return bool_field_or(config, "legacy", !llama, "tokenizer_config") ? DummyPrefix::kEveryStretch
                                                                     : DummyPrefix::kFirstOnly;
}

// The class that reads tokenizer.json as it is: the one in the config may build another tokenizer.
void name_class(Json& config) { config["tokenizer_class"] = "PreTrainedTokenizerFast"; }

// Names the token with `id` where the config does not.
void name_token(const SentencePieceModel& model, int64_t id, const char* key, Json& config) {
  if (id < 0 || !field_or_null(config, key).is_null()) return;
  config[key] = model.pieces[static_cast<size_t>(id)].text;
}

std::optional<NamedToken> token_of(const SentencePieceModel& model, int64_t id) {
  if (id < 0) return std::nullopt;
  return NamedToken{model.pieces[static_cast<size_t>(id)].text, static_cast<int32_t>(id)};
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    begin = end + 1;
  }
  return lines;
}

Vocab vocab_of_lines(std::string_view text) {
  Vocab vocab;
  std::unordered_set<std::string_view> seen;
  for (const std::string_view line : lines_of(text)) {
    require_intact(to_valid_utf8(line) == line, "vocab.txt:", vocab.size() + 1, ": not UTF-8");
    require_intact(seen.insert(line).second, "vocab.txt:", vocab.size() + 1, ": '", line,
                   "' is there twice");
    vocab.emplace_back(line, static_cast<int32_t>(vocab.size()));
  }
  return vocab;
}

NamedToken bert_token(const char* key, const TokenizerSpec& spec) {
  const Json& value = field(spec.config, key, "tokenizer_config");
  const auto content = value.is_string()
                           ? value.get<std::string>()
                           : string_field(value, "content", std::string("tokenizer_config.") + key);
  const auto found = std::ranges::find(spec.vocab, content, &Vocab::value_type::first);
  require_intact(found != spec.vocab.end(), "vocab.txt: no '", content, "'");
  return {content, found->second};
}

}  // namespace

Tokenizer tokenizer_from_json(std::string_view tokenizer_json, std::string_view tokenizer_config) {
  return make_tokenizer(parse_tokenizer_json(tokenizer_json, tokenizer_config));
}

Tokenizer tokenizer_from_sentencepiece(std::string_view bytes, std::string_view tokenizer_config) {
  return in_context("tokenizer.model", [&] {
    Json config = parse_tokenizer_config(tokenizer_config);
    SentencePieceModel model = parse_sentencepiece_model(bytes);
    model.add_dummy_prefix =
        bool_field_or(config, "add_prefix_space", model.add_dummy_prefix, "tokenizer_config");
    TokenizerSpec spec = spec_of(model, dummy_prefix_of(config));
    // Language models start with BOS, encoders and T5 end with EOS; the config may say otherwise.
    const bool bpe = spec.type == ModelType::kBpe;
    spec.post_processor = bos_eos_template(bpe ? token_of(model, model.bos_id) : std::nullopt,
                                           bpe ? std::nullopt : token_of(model, model.eos_id));
    name_token(model, model.bos_id, "bos_token", config);
    name_token(model, model.eos_id, "eos_token", config);
    name_token(model, model.unk_id, "unk_token", config);
    name_token(model, model.pad_id, "pad_token", config);
    name_class(config);
    spec.config = std::move(config);
    add_tokens_of_config(spec);
    // As in transformers: found in the text as it is, so that each stretch gets its own prefix, and
    // the tokens get none.
    for (AddedToken& token : spec.added_tokens)
      token.normalized = token.normalized && !model.add_dummy_prefix;
    return make_tokenizer(std::move(spec));
  });
}

Tokenizer tokenizer_from_vocab_txt(std::string_view vocab_txt, std::string_view tokenizer_config) {
  TokenizerSpec spec;
  spec.config = parse_tokenizer_config(tokenizer_config);
  Json& config = spec.config;
  for (const auto& [key, token] : {std::pair{"unk_token", "[UNK]"},
                                   {"sep_token", "[SEP]"},
                                   {"pad_token", "[PAD]"},
                                   {"cls_token", "[CLS]"},
                                   {"mask_token", "[MASK]"}}) {
    if (field_or_null(config, key).is_null()) config[key] = token;
  }
  const Json& strip = field_or_null(config, "strip_accents");
  spec.type = ModelType::kWordPiece;
  spec.vocab = vocab_of_lines(vocab_txt);
  spec.unk_token = bert_token("unk_token", spec).content;
  spec.normalizer = {
      {"type", "BertNormalizer"},
      {"clean_text", true},
      {"handle_chinese_chars",
       bool_field_or(config, "tokenize_chinese_chars", true, "tokenizer_config")},
      {"strip_accents", strip},
      {"lowercase", bool_field_or(config, "do_lower_case", true, "tokenizer_config")}};
  spec.pre_tokenizer = {{"type", "BertPreTokenizer"}};
  const auto cls = bert_token("cls_token", spec), sep = bert_token("sep_token", spec);
  spec.post_processor = bert_template(cls, sep);
  spec.decoder = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
  name_class(config);
  add_tokens_of_config(spec);
  return make_tokenizer(std::move(spec));
}

Tokenizer tokenizer_from_vocab_and_merges(std::string_view vocab_json, std::string_view merges_txt,
                                          std::string_view tokenizer_config) {
  const Json config = parse_tokenizer_config(tokenizer_config);
  const Json byte_level{
      {"type", "ByteLevel"},
      {"add_prefix_space", bool_field_or(config, "add_prefix_space", false, "tokenizer_config")},
      {"trim_offsets", true},
      {"use_regex", true}};
  Json merges = Json::array();
  for (const std::string_view line : lines_of(merges_txt)) {
    if (!line.empty() && !line.starts_with("#version")) merges.push_back(to_valid_utf8(line));
  }
  const Json json{{"pre_tokenizer", byte_level},
                  {"decoder", byte_level},
                  {"model",
                   {{"type", "BPE"},
                    {"vocab", parse_intact_json(vocab_json, "vocab.json")},
                    {"merges", std::move(merges)}}}};
  return tokenizer_from_json(json.dump(), tokenizer_config);
}

}  // namespace assay
