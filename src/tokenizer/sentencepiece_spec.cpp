#include "tokenizer/sentencepiece_spec.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "base/error.h"
#include "tokenizer/base64.h"
#include "tokenizer/code_points.h"

namespace assay {
namespace {

using Kind = SentencePieceModel::Kind;

constexpr std::string_view kSpace = "\u2581";

// In order of rank: the score of the join falls; of one join the longest left part comes first.
void add_merges(const SentencePieceModel& model, TokenizerSpec& spec) {
  std::unordered_map<std::string_view, size_t> normal;
  normal.reserve(model.pieces.size());
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    if (model.pieces[id].kind == Kind::kNormal) normal.emplace(model.pieces[id].text, id);
  }
  std::vector<size_t> by_score;
  by_score.reserve(normal.size());
  for (const auto& [text, id] : normal) by_score.push_back(id);
  std::ranges::sort(by_score, {}, [&](size_t id) {
    return std::pair{-model.pieces[id].score, id};
  });
  for (const size_t id : by_score) {
    const std::string_view text = model.pieces[id].text;
    for (size_t cut = text.size(); cut-- > 1;) {
      if ((text[cut] & 0xC0) == 0x80) continue;  // inside of a character
      const auto left = text.substr(0, cut), right = text.substr(cut);
      if (normal.contains(left) && normal.contains(right)) spec.merges.emplace_back(left, right);
    }
  }
}

void add_pieces(const SentencePieceModel& model, TokenizerSpec& spec) {
  std::unordered_map<std::string_view, size_t> seen;
  seen.reserve(model.pieces.size());
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const auto& piece = model.pieces[id];
    const auto [first, is_new] = seen.emplace(piece.text, id);
    require_intact(is_new, "pieces[", id, "]: '", piece.text, "' is pieces[", first->second,
                   "] already");
    spec.vocab.emplace_back(piece.text, static_cast<int32_t>(id));
    const bool special = piece.kind == Kind::kControl || piece.kind == Kind::kUnknown;
    if (piece.text.empty() || (!special && piece.kind != Kind::kUserDefined)) continue;
    AddedToken token;
    token.id = static_cast<int32_t>(id);
    token.content = piece.text;
    token.special = special;
    // Spaces are escaped in it, so it is to be found where the text's are; a prefix would be put in
    // front of it too.
    token.normalized =
        !special && !model.add_dummy_prefix && piece.text.find(kSpace) != std::string::npos;
    spec.added_tokens.push_back(std::move(token));
  }
}

Json replace(const char* kind, std::string_view pattern, std::string_view content) {
  return Json{{"type", "Replace"}, {"pattern", {{kind, pattern}}}, {"content", content}};
}

// In SentencePiece's order.
Json normalizer_of(const SentencePieceModel& model, DummyPrefix prefix) {
  Json steps = Json::array();
  if (!model.precompiled_charsmap.empty()) {
    steps.push_back(
        {{"type", "Precompiled"}, {"precompiled_charsmap", to_base64(model.precompiled_charsmap)}});
  }
  if (model.remove_extra_whitespaces) {
    steps.push_back(replace("Regex", R"(\A +| +\z)", ""));
    steps.push_back(replace("Regex", " {2,}", " "));
  }
  if (model.add_dummy_prefix && prefix == DummyPrefix::kEveryStretch)
    steps.push_back({{"type", "Prepend"}, {"prepend", kSpace}});
  if (model.escape_whitespaces) steps.push_back(replace("String", " ", kSpace));
  return steps.empty() ? Json() : Json{{"type", "Sequence"}, {"normalizers", std::move(steps)}};
}

Json decoder_of(const SentencePieceModel& model) {
  Json steps = Json::array({replace("String", kSpace, " ")});
  if (model.byte_fallback) steps.push_back({{"type", "ByteFallback"}});
  steps.push_back({{"type", "Fuse"}});
  if (model.add_dummy_prefix)
    steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  return Json{{"type", "Sequence"}, {"decoders", std::move(steps)}};
}

}  // namespace

TokenizerSpec spec_of(const SentencePieceModel& model, DummyPrefix prefix) {
  using Type = SentencePieceModel::Type;
  require_intact(model.type == Type::kBpe || model.type == Type::kUnigram,
                 "trainer_spec.model_type: only BPE and unigram models are supported, not ",
                 model.type == Type::kWord ? "word" : "character", " models");
  require_intact(!model.treat_whitespace_as_suffix,
                 "trainer_spec.treat_whitespace_as_suffix: spaces behind words are not supported");
  TokenizerSpec spec;
  spec.byte_fallback = model.byte_fallback;
  spec.fuse_unk = true;
  add_pieces(model, spec);
  if (model.unk_id >= 0) spec.unk_token = model.pieces[static_cast<size_t>(model.unk_id)].text;
  if (model.type == Type::kBpe) {
    add_merges(model, spec);
  } else {
    spec.type = ModelType::kUnigram;
    for (const auto& piece : model.pieces) spec.scores.push_back(static_cast<double>(piece.score));
  }
  spec.normalizer = normalizer_of(model, prefix);
  if (model.add_dummy_prefix && prefix == DummyPrefix::kFirstOnly) {
    spec.pre_tokenizer = {{"type", "Metaspace"},
                          {"replacement", kSpace},
                          {"prepend_scheme", "first"},
                          {"split", false}};
  }
  spec.decoder = decoder_of(model);
  return spec;
}

}  // namespace assay
