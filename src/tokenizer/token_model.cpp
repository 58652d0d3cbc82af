#include "tokenizer/token_model.h"

#include <algorithm>
#include <limits>
#include <set>
#include <unordered_set>

#include "base/error.h"
#include "tokenizer/byte_symbols.h"
#include "tokenizer/code_points.h"

namespace assay {
namespace {

using Vocab = std::unordered_map<std::string_view, int32_t>;

Vocab vocab_of(const TokenizerSpec& spec) {
  Vocab vocab;
  vocab.reserve(spec.vocab.size());
  for (const auto& [token, id] : spec.vocab) vocab.emplace(token, id);
  return vocab;
}

MergeTable merges_of(const TokenizerSpec& spec, const Vocab& vocab) {
  MergeTable table(spec.merges.size());
  std::string product;
  for (size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const std::string& left = spec.merges[rank].first;
    const std::string& right = spec.merges[rank].second;
    const auto id_of_token = [&](const std::string& token) {
      const auto found = vocab.find(token);
      if (found == vocab.end()) {
        fail(ErrorKind::kCorruptFile, "merge ", rank, " ('", to_valid_utf8(left), "' + '",
             to_valid_utf8(right), "'): the vocabulary has no '", to_valid_utf8(token), "'");
      }
      return found->second;
    };
    const int32_t left_id = id_of_token(left), right_id = id_of_token(right);
    product.assign(left).append(right);
    table.insert(left_id, right_id, {static_cast<uint32_t>(rank), id_of_token(product)});
  }
  return table;
}

std::optional<int32_t> unknown_id_of(const TokenizerSpec& spec, const Vocab& vocab) {
  if (!spec.unk_token) return std::nullopt;
  const auto found = vocab.find(*spec.unk_token);
  require_intact(found != vocab.end(), "model.unk_token: the vocabulary has no '", *spec.unk_token,
                 "'");
  return found->second;
}

std::array<int32_t, 256> byte_ids_of(const Vocab& vocab, auto&& spelling) {
  std::array<int32_t, 256> ids{};
  for (int byte = 0; byte < 256; ++byte) {
    const auto found = vocab.find(spelling(static_cast<uint8_t>(byte)));
    ids[static_cast<size_t>(byte)] = found == vocab.end() ? -1 : found->second;
  }
  return ids;
}

std::array<int32_t, 256> fallback_ids_of(const TokenizerSpec& spec, const Vocab& vocab) {
  if (spec.byte_fallback) return byte_ids_of(vocab, byte_token);
  std::array<int32_t, 256> none{};
  none.fill(-1);
  return none;
}

// Sets BpeModel::word_marker where U+2581 is one.
void find_word_marker(const TokenizerSpec& spec, BpeModel& model) {
  constexpr std::string_view kMarker = "\u2581";
  constexpr size_t kMaxJoined = 64;
  std::set<char32_t> joined;
  for (const auto& [token, id] : spec.vocab) {
    for (size_t at = token.find(kMarker, 1); at != std::string::npos;
         at = token.find(kMarker, at + 1)) {
      if (std::string_view(token).substr(0, at).ends_with(kMarker)) continue;
      // "<0x20>▁" and "<unk>▁" would join what a byte or an unknown character is followed by.
      if (token.starts_with('<') || joined.size() >= kMaxJoined) return;
      size_t last = at - 1;
      while (last > 0 && (token[last] & 0xC0) == 0x80) --last;
      joined.insert(code_point_at(token, last).value);
    }
  }
  const char32_t marker = code_point_at(kMarker, 0).value;
  if (model.character_ids.find(marker) < 0) return;
  model.word_marker = marker;
  model.joined_to_marker.assign(joined.begin(), joined.end());
}

BpeModel bpe_of(const TokenizerSpec& spec, BpeModel::Symbols symbols) {
  const Vocab vocab = vocab_of(spec);
  BpeModel model;
  model.symbols = symbols;
  model.merges = merges_of(spec, vocab);
  model.fuse_unknown = spec.fuse_unk;
  const bool bytes = symbols == BpeModel::Symbols::kBytes;
  model.byte_ids = bytes ? byte_ids_of(vocab, byte_symbol) : fallback_ids_of(spec, vocab);
  if (!bytes || std::ranges::find(model.byte_ids, -1) != model.byte_ids.end())
    model.unknown_id = unknown_id_of(spec, vocab);
  if (!bytes) {
    for (const auto& [token, id] : spec.vocab) {
      if (token.empty()) continue;
      const CodePoint c = code_point_at(token, 0);
      if (c.valid && c.size == token.size()) model.character_ids.insert(c.value, id);
    }
  }
  if (spec.ignore_merges) {
    for (const auto& [token, id] : spec.vocab) {
      auto word = bytes ? bytes_of_symbols(token) : token;
      if (word) model.whole_words.emplace(std::move(*word), id);
    }
  } else if (!bytes) {
    find_word_marker(spec, model);
  }
  return model;
}

// Special tokens and byte tokens are no text: SentencePiece does not find them in one.
bool is_text(const std::string& token, const TokenizerSpec& spec,
             const std::unordered_set<std::string_view>& special) {
  return !special.contains(token) && !(spec.byte_fallback && byte_of_token(token));
}

UnigramModel unigram_of(const TokenizerSpec& spec) {
  constexpr double kUnknownPenalty = 10;  // SentencePiece's kUnkPenalty
  const Vocab vocab = vocab_of(spec);
  std::unordered_set<std::string_view> special;
  for (const AddedToken& token : spec.added_tokens) {
    if (token.special) special.insert(token.content);
  }
  UnigramModel model;
  model.scores.resize(spec.vocab.size());
  std::vector<std::pair<std::string, int32_t>> pieces;
  double lowest = std::numeric_limits<double>::max();
  for (size_t i = 0; i < spec.vocab.size(); ++i) {
    const auto& [token, id] = spec.vocab[i];
    model.scores[static_cast<size_t>(id)] = spec.scores[i];
    lowest = std::min(lowest, spec.scores[i]);
    if (is_text(token, spec, special)) pieces.emplace_back(token, id);
  }
  model.pieces = ByteTrie(std::move(pieces));
  model.unknown_score = lowest - kUnknownPenalty;
  model.unknown_id = unknown_id_of(spec, vocab);
  model.byte_ids = fallback_ids_of(spec, vocab);
  return model;
}

WordPieceModel word_piece_of(const TokenizerSpec& spec) {
  WordPieceModel model;
  const auto unknown = unknown_id_of(spec, vocab_of(spec));
  require_intact(unknown.has_value(), "model.unk_token: missing");
  model.unknown_id = *unknown;
  model.max_input_chars_per_word = spec.max_input_chars_per_word;
  std::vector<std::pair<std::string, int32_t>> next;
  const std::string& prefix = spec.continuing_subword_prefix;
  for (const auto& [token, id] : spec.vocab) {
    if (token.starts_with(prefix)) next.emplace_back(token.substr(prefix.size()), id);
  }
  model.first = ByteTrie(spec.vocab);
  model.next = ByteTrie(std::move(next));
  return model;
}

}  // namespace

TokenModel token_model_of(const TokenizerSpec& spec, BpeModel::Symbols symbols) {
  switch (spec.type) {
    case ModelType::kBpe:
      return bpe_of(spec, symbols);
    case ModelType::kUnigram:
      return unigram_of(spec);
    case ModelType::kWordPiece:
      return word_piece_of(spec);
  }
  fail(ErrorKind::kInternal, "a tokenizer of no known type");
}

}  // namespace assay
