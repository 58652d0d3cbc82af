#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <unordered_map>

#include "base/error.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/byte_symbols.h"
#include "tokenizer/code_points.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/tokenizer_impl.h"
#include "tokenizer/tokenizer_spec.h"

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
    table.insert(left_id, right_id, {static_cast<uint32_t>(rank), id_of_token(left + right)});
  }
  return table;
}

BpeModel bpe_of(const TokenizerSpec& spec) {
  const Vocab vocab = vocab_of(spec);
  BpeModel model;
  model.merges = merges_of(spec, vocab);
  model.fuse_unknown = spec.fuse_unk;
  for (int byte = 0; byte < 256; ++byte) {
    const auto found = vocab.find(byte_symbol(static_cast<uint8_t>(byte)));
    model.byte_ids[static_cast<size_t>(byte)] = found == vocab.end() ? -1 : found->second;
  }
  if (spec.unk_token && std::ranges::find(model.byte_ids, -1) != model.byte_ids.end()) {
    const auto unknown = vocab.find(*spec.unk_token);
    require_intact(unknown != vocab.end(), "model.unk_token: the vocabulary has no '",
                   *spec.unk_token, "'");
    model.unknown_id = unknown->second;
  }
  if (spec.ignore_merges) {
    for (const auto& [token, id] : spec.vocab) {
      if (auto bytes = bytes_of_symbols(token)) model.whole_words.emplace(std::move(*bytes), id);
    }
  }
  return model;
}

// The bytes that each id says; nothing for an id that no token has.
std::vector<std::optional<std::string>> spellings_of(const TokenizerSpec& spec) {
  int32_t last = -1;
  for (const auto& [token, id] : spec.vocab) last = std::max(last, id);
  for (const AddedToken& token : spec.added_tokens) last = std::max(last, token.id);
  // A few tokens with huge ids must not take gigabytes.
  require_intact(
      static_cast<size_t>(last + 1) <= 8 * (spec.vocab.size() + spec.added_tokens.size()) + 65536,
      "the largest id is ", last, " for ", spec.vocab.size(), " tokens");
  std::vector<std::optional<std::string>> spellings(static_cast<size_t>(last + 1));
  for (const auto& [token, id] : spec.vocab) {
    auto& spelling = spellings[static_cast<size_t>(id)];
    require_intact(!spelling, "model.vocab: two tokens have the id ", id);
    spelling = bytes_of_symbols(token).value_or(token);
  }
  for (const AddedToken& token : spec.added_tokens)
    spellings[static_cast<size_t>(token.id)] = token.content;
  return spellings;
}

AddedTokenMatcher matcher_of(const TokenizerSpec& spec, bool normalized, Normalizer normalizer) {
  std::vector<AddedToken> tokens;
  for (AddedToken token : spec.added_tokens) {
    if (token.normalized != normalized) continue;
    if (normalized) token.content = normalize(token.content, normalizer).text;
    tokens.push_back(std::move(token));
  }
  return AddedTokenMatcher(std::move(tokens));
}

// Words that a thread has encoded already. One tokenizer at a time: another one empties it.
struct WordCache {
  static constexpr size_t kMaxWords = 1 << 16, kMaxWordBytes = 256;
  uint64_t owner = 0;
  std::unordered_map<std::string, WordTokens> words;
};

uint64_t next_owner() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

}  // namespace

struct Tokenizer::Impl {
  TokenizerSpec spec;
  BpeModel bpe;
  Normalizer normalizer = Normalizer::kNone;
  std::vector<PreTokenizerStep> pre_tokenizer;
  AddedTokenMatcher plain_added, normalized_added;
  std::vector<std::optional<std::string>> spellings;
  std::optional<int32_t> bos, eos;
  bool adds_bos = false;
  uint64_t owner = next_owner();  // of cached words

  const WordTokens& encode_cached(std::string_view word, WordTokens& uncached) const;
  void encode_valid(std::string_view text, size_t offset, MatchSpecial special,
                    Encoding& out) const;
  void encode_text(std::string_view text, size_t offset, MatchSpecial special, Encoding& out) const;
};

const WordTokens& Tokenizer::Impl::encode_cached(std::string_view word,
                                                 WordTokens& uncached) const {
  thread_local WordCache cache;
  thread_local std::string key;
  if (word.size() > WordCache::kMaxWordBytes) return uncached = encode_word(bpe, word);
  if (cache.owner != owner || cache.words.size() >= WordCache::kMaxWords) {
    cache.owner = owner;
    cache.words.clear();
  }
  key = word;
  const auto [entry, is_new] = cache.words.try_emplace(key);
  if (is_new) entry->second = encode_word(bpe, word);
  return entry->second;
}

// `text` is valid UTF-8 without unnormalized added tokens; `offset` is where it starts in the
// whole.
void Tokenizer::Impl::encode_valid(std::string_view text, size_t offset, MatchSpecial special,
                                   Encoding& out) const {
  NormalizedText owned;
  std::string_view normal = text;
  if (normalizer != Normalizer::kNone) {
    owned = normalize(text, normalizer);
    normal = owned.text;
  }
  const auto add = [&](int32_t id, size_t end) {
    out.ids.push_back(id);
    out.ends.push_back(static_cast<int64_t>(offset + owned.original_end(end)));
  };
  std::string spaced;
  WordTokens uncached;
  for (const AddedPiece& piece : normalized_added.split(normal, special)) {
    if (piece.token != nullptr) {
      add(piece.token->id, piece.end);
      continue;
    }
    for (const Word& word :
         pre_tokenize(normal.substr(piece.begin, piece.end - piece.begin), pre_tokenizer)) {
      std::string_view bytes = normal.substr(piece.begin + word.begin, word.end - word.begin);
      if (word.leading_space) bytes = spaced.assign(1, ' ').append(bytes);
      const WordTokens& tokens = encode_cached(bytes, uncached);
      for (size_t i = 0; i < tokens.ids.size(); ++i) {
        const size_t shift = word.leading_space ? std::min<size_t>(1, tokens.ends[i]) : 0;
        add(tokens.ids[i], piece.begin + word.begin + tokens.ends[i] - shift);
      }
      out.dropped_bytes += tokens.dropped_bytes;
    }
  }
}

// Stretches of valid UTF-8 are text; each byte of what is not is a word of its own.
void Tokenizer::Impl::encode_text(std::string_view text, size_t offset, MatchSpecial special,
                                  Encoding& out) const {
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    if (c.valid) {
      at += c.size;
      continue;
    }
    if (begin < at) encode_valid(text.substr(begin, at - begin), offset + begin, special, out);
    for (begin = at + c.size; at < begin; ++at) {
      const WordTokens tokens = encode_word(bpe, text.substr(at, 1));
      out.ids.insert(out.ids.end(), tokens.ids.begin(), tokens.ids.end());
      out.ends.insert(out.ends.end(), tokens.ids.size(), static_cast<int64_t>(offset + at + 1));
      out.dropped_bytes += tokens.dropped_bytes;
    }
  }
  if (begin < text.size()) encode_valid(text.substr(begin), offset + begin, special, out);
}

Tokenizer::Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

Encoding Tokenizer::encode(std::string_view text, SpecialText special) const {
  const auto match_special =
      special == SpecialText::kParse ? MatchSpecial::kYes : MatchSpecial::kNo;
  Encoding out;
  for (const AddedPiece& piece : impl_->plain_added.split(text, match_special)) {
    if (piece.token != nullptr) {
      out.ids.push_back(piece.token->id);
      out.ends.push_back(static_cast<int64_t>(piece.end));
    } else {
      impl_->encode_text(text.substr(piece.begin, piece.end - piece.begin), piece.begin,
                         match_special, out);
    }
  }
  return out;
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  std::string bytes;
  for (const int32_t id : ids) {
    const bool known = id >= 0 && id < vocab_size() && impl_->spellings[static_cast<size_t>(id)];
    require(known, "decode: ", id, " is not in the vocabulary of ", vocab_size(), " tokens");
    bytes += *impl_->spellings[static_cast<size_t>(id)];
  }
  return to_valid_utf8(bytes);
}

int64_t Tokenizer::vocab_size() const { return static_cast<int64_t>(impl_->spellings.size()); }
std::optional<int32_t> Tokenizer::bos_id() const { return impl_->bos; }
std::optional<int32_t> Tokenizer::eos_id() const { return impl_->eos; }
bool Tokenizer::adds_bos() const { return impl_->adds_bos; }
Json Tokenizer::to_tokenizer_json() const { return tokenizer_json_of(impl_->spec); }
Json Tokenizer::to_tokenizer_config() const { return impl_->spec.config; }

std::string Tokenizer::chat_template() const {
  const Json& text = field_or_null(impl_->spec.config, "chat_template");
  return text.is_string() ? text.get<std::string>() : "";
}

namespace {

// The id of the token that tokenizer_config names at `key`.
std::optional<int32_t> named_id(const TokenizerSpec& spec, const std::string& key) {
  const Json& value = field_or_null(spec.config, key);
  if (value.is_null()) return std::nullopt;
  const std::string content = value.is_string()
                                  ? value.get<std::string>()
                                  : string_field(value, "content", "tokenizer_config." + key);
  const auto added = std::ranges::find(spec.added_tokens, content, &AddedToken::content);
  if (added != spec.added_tokens.end()) return added->id;
  const auto found =
      std::ranges::find(spec.vocab, content, &std::pair<std::string, int32_t>::first);
  require_intact(found != spec.vocab.end(), "tokenizer_config.", key, ": the vocabulary has no '",
                 content, "'");
  return found->second;
}

}  // namespace

Tokenizer make_tokenizer(TokenizerSpec spec) {
  auto impl = std::make_shared<Tokenizer::Impl>();
  impl->bpe = bpe_of(spec);
  impl->normalizer = parse_normalizer(spec.normalizer);
  impl->pre_tokenizer = parse_pre_tokenizer(spec.pre_tokenizer);
  impl->plain_added = matcher_of(spec, false, impl->normalizer);
  impl->normalized_added = matcher_of(spec, true, impl->normalizer);
  impl->spellings = spellings_of(spec);
  impl->bos = named_id(spec, "bos_token");
  impl->eos = named_id(spec, "eos_token");
  const auto prefix = prefix_of_post_processor(spec.post_processor);
  require_intact(prefix.size() <= 1, "post_processor: ", prefix.size(),
                 " tokens in front of a text are not supported");
  require_intact(prefix.empty() || !impl->bos || *impl->bos == prefix[0], "post_processor: puts ",
                 prefix.empty() ? 0 : prefix[0],
                 " in front of a text, tokenizer_config.bos_token is ", impl->bos.value_or(0));
  if (!prefix.empty()) {
    require_intact(prefix[0] < static_cast<int64_t>(impl->spellings.size()),
                   "post_processor: no token has the id ", prefix[0]);
    impl->bos = prefix[0];
  }
  // As in transformers 5: what the config says outright counts, then the template; BOS without a
  // token is not added.
  impl->adds_bos =
      bool_field_or(spec.config, "add_bos_token", !prefix.empty(), "tokenizer_config") && impl->bos;
  require_intact(!bool_field_or(spec.config, "add_eos_token", false, "tokenizer_config"),
                 "tokenizer_config.add_eos_token: a token behind every text is not supported");
  impl->spec = std::move(spec);
  return Tokenizer(std::move(impl));
}

Tokenizer tokenizer_from_json(std::string_view tokenizer_json, std::string_view tokenizer_config) {
  return make_tokenizer(parse_tokenizer_json(tokenizer_json, tokenizer_config));
}

}  // namespace assay
