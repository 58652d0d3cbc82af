// The text of tokenizer.json (declared in tokenizer/tokenizer_spec.h).

#include "tokenizer/tokenizer_spec.h"

namespace assay {
namespace {

Json json_of(const AddedToken& token) {
  return Json{
      {"id", token.id},          {"content", token.content}, {"single_word", token.single_word},
      {"lstrip", token.lstrip},  {"rstrip", token.rstrip},   {"normalized", token.normalized},
      {"special", token.special}};
}

Json vocab_object(const TokenizerSpec& spec) {
  Json::object_t vocab;
  vocab.reserve(
      spec.vocab.size());  // appended, not inserted: an ordered object searches all its keys first
  for (const auto& [token, id] : spec.vocab)
    vocab.Json::object_t::Container::emplace_back(token, id);
  return vocab;
}

Json bpe_json(const TokenizerSpec& spec) {
  Json merges = Json::array();
  for (const auto& [left, right] : spec.merges) merges.push_back(Json::array({left, right}));
  Json model{{"type", "BPE"},
             {"dropout", nullptr},
             {"unk_token", spec.unk_token ? Json(*spec.unk_token) : Json()},
             {"continuing_subword_prefix", nullptr},
             {"end_of_word_suffix", nullptr},
             {"fuse_unk", spec.fuse_unk},
             {"byte_fallback", spec.byte_fallback},
             {"ignore_merges", spec.ignore_merges}};
  model["vocab"] = vocab_object(spec);
  model["merges"] = std::move(merges);
  return model;
}

// The list is in the order of the ids.
Json unigram_json(const TokenizerSpec& spec) {
  Json unknown, vocab = Json::array();
  for (size_t i = 0; i < spec.vocab.size(); ++i) {
    if (spec.vocab[i].first == spec.unk_token) unknown = spec.vocab[i].second;
    vocab.push_back(Json::array({spec.vocab[i].first, spec.scores[i]}));
  }
  return Json{{"type", "Unigram"},
              {"unk_id", unknown},
              {"vocab", std::move(vocab)},
              {"byte_fallback", spec.byte_fallback}};
}

Json word_piece_json(const TokenizerSpec& spec) {
  Json model{{"type", "WordPiece"},
             {"unk_token", spec.unk_token.value_or("[UNK]")},
             {"continuing_subword_prefix", spec.continuing_subword_prefix},
             {"max_input_chars_per_word", spec.max_input_chars_per_word}};
  model["vocab"] = vocab_object(spec);
  return model;
}

Json model_json(const TokenizerSpec& spec) {
  switch (spec.type) {
    case ModelType::kBpe:
      return bpe_json(spec);
    case ModelType::kUnigram:
      return unigram_json(spec);
    case ModelType::kWordPiece:
      return word_piece_json(spec);
  }
  return {};
}

}  // namespace

Json tokenizer_json_of(const TokenizerSpec& spec) {
  Json added = Json::array();
  for (const AddedToken& token : spec.added_tokens) added.push_back(json_of(token));
  Json json{{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
  json["added_tokens"] = std::move(added);
  json["normalizer"] = spec.normalizer;
  json["pre_tokenizer"] = spec.pre_tokenizer;
  json["post_processor"] = spec.post_processor;
  json["decoder"] = spec.decoder;
  json["model"] = model_json(spec);
  return json;
}

}  // namespace assay
