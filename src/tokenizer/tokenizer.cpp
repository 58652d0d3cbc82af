#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <atomic>
#include <unordered_map>

#include "base/error.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/aligned_text.h"
#include "tokenizer/byte_symbols.h"
#include "tokenizer/code_points.h"
#include "tokenizer/decoder.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/token_model.h"
#include "tokenizer/tokenizer_impl.h"
#include "tokenizer/tokenizer_spec.h"

namespace assay {
namespace {

enum class Spelling { kBytes, kTokens };

// What each id says, as bytes or as its token; nothing for an id that no token has.
std::vector<std::optional<std::string>> spellings_of(const TokenizerSpec& spec,
                                                     Spelling spelling_is) {
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
    spelling = token;
    if (spelling_is == Spelling::kBytes) spelling = bytes_of_symbols(token).value_or(token);
  }
  for (const AddedToken& token : spec.added_tokens)
    spellings[static_cast<size_t>(token.id)] = token.content;
  return spellings;
}

AddedTokenMatcher plain_matcher_of(const TokenizerSpec& spec) {
  std::vector<AddedToken> tokens;
  for (const AddedToken& token : spec.added_tokens) {
    if (!token.normalized) tokens.push_back(token);
  }
  return AddedTokenMatcher(std::move(tokens));
}

AddedTokenMatcher normalized_matcher_of(const TokenizerSpec& spec, const Normalizer& normalizer) {
  std::vector<AddedToken> tokens;
  for (AddedToken token : spec.added_tokens) {
    if (!token.normalized) continue;
    const std::string content = token.content;
    AlignedText normal(content);
    normalize(normal, normalizer);
    token.content = normal.text();
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
  TokenModel model;
  Normalizer normalizer;
  std::vector<PreTokenizerStep> pre_tokenizer;
  PostProcessor post_processor;
  Decoder decoder;
  bool byte_level = false;     // words are bytes
  bool decodes_bytes = false;  // `spellings` are bytes, and there is nothing else to decode
  AddedTokenMatcher plain_added, normalized_added;
  std::vector<std::optional<std::string>> spellings;
  std::optional<int32_t> bos, eos;
  uint64_t owner = next_owner();  // of cached words

  const WordTokens& encode_cached(std::string_view word, WordTokens& uncached) const;
  void encode_word_into(std::string_view word, auto&& add) const;
  void encode_part(AlignedText& part, StartOfText start, auto&& add) const;
  void encode_valid(AlignedText& text, size_t offset, MatchSpecial special, Encoding& out) const;
  void encode_bytes(std::string_view text, size_t offset, MatchSpecial special,
                    Encoding& out) const;
  void encode_characters(std::string_view text, size_t offset, MatchSpecial special,
                         Encoding& out) const;
  Framed framed(const std::vector<TemplatePiece>& pieces, std::span<const int32_t> first,
                std::span<const int32_t> second) const;
};

const WordTokens& Tokenizer::Impl::encode_cached(std::string_view word,
                                                 WordTokens& uncached) const {
  thread_local WordCache cache;
  thread_local std::string key;
  if (word.size() > WordCache::kMaxWordBytes) return uncached = encode_word(model, word);
  if (cache.owner != owner || cache.words.size() >= WordCache::kMaxWords) {
    cache.owner = owner;
    cache.words.clear();
  }
  key = word;
  const auto [entry, is_new] = cache.words.try_emplace(key);
  if (is_new) entry->second = encode_word(model, word);
  return entry->second;
}

// Calls add(tokens, begin) for the parts of a word that are encoded alone.
void Tokenizer::Impl::encode_word_into(std::string_view word, auto&& add) const {
  WordTokens uncached;
  const auto* bpe = std::get_if<BpeModel>(&model);
  for (size_t begin = 0; begin < word.size();) {
    const std::string_view rest = word.substr(begin);
    const size_t size = bpe != nullptr ? first_cut(*bpe, rest) : rest.size();
    add(encode_cached(rest.substr(0, size), uncached), begin);
    begin += size;
  }
}

// Calls add(tokens, end of each in the part as it was, …).
void Tokenizer::Impl::encode_part(AlignedText& part, StartOfText start, auto&& add) const {
  std::string spaced;
  for (const Word& word : pre_tokenize(part, pre_tokenizer, start)) {
    std::string_view bytes = part.text().substr(word.begin, word.end - word.begin);
    if (word.leading_space) bytes = spaced.assign(1, ' ').append(bytes);
    encode_word_into(bytes, [&](const WordTokens& tokens, size_t begin) {
      add(tokens, [&](size_t end) {
        end += begin;
        const size_t shift = word.leading_space ? std::min<size_t>(1, end) : 0;
        return part.original_end(word.begin + end - shift);
      });
    });
  }
}

// `text` is valid UTF-8 without unnormalized added tokens; `offset` is where it starts in the
// whole.
void Tokenizer::Impl::encode_valid(AlignedText& text, size_t offset, MatchSpecial special,
                                   Encoding& out) const {
  normalize(text, normalizer);
  const auto add = [&](int32_t id, size_t end) {
    out.ids.push_back(id);
    out.ends.push_back(static_cast<int64_t>(offset + text.original_end(end)));
  };
  for (const AddedPiece& piece : normalized_added.split(text.text(), special)) {
    if (piece.token != nullptr) {
      add(piece.token->id, piece.end);
      continue;
    }
    const bool first = offset == 0 && text.original_begin(piece.begin) == 0;
    AlignedText part(text.text().substr(piece.begin, piece.end - piece.begin));
    encode_part(part, first ? StartOfText::kYes : StartOfText::kNo,
                [&](const WordTokens& tokens, auto&& end_in_part) {
                  for (size_t i = 0; i < tokens.ids.size(); ++i)
                    add(tokens.ids[i], piece.begin + end_in_part(tokens.ends[i]));
                  out.dropped_bytes += tokens.dropped_bytes;
                });
  }
}

// Stretches of valid UTF-8 are text; each byte of what is not is a word of its own.
void Tokenizer::Impl::encode_bytes(std::string_view text, size_t offset, MatchSpecial special,
                                   Encoding& out) const {
  const auto encode_stretch = [&](size_t begin, size_t end) {
    if (begin == end) return;
    AlignedText stretch(text.substr(begin, end - begin));
    encode_valid(stretch, offset + begin, special, out);
  };
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    if (c.valid) {
      at += c.size;
      continue;
    }
    encode_stretch(begin, at);
    for (begin = at + c.size; at < begin; ++at) {
      const WordTokens tokens = encode_word(model, text.substr(at, 1));
      out.ids.insert(out.ids.end(), tokens.ids.begin(), tokens.ids.end());
      out.ends.insert(out.ends.end(), tokens.ids.size(), static_cast<int64_t>(offset + at + 1));
      out.dropped_bytes += tokens.dropped_bytes;
    }
  }
  encode_stretch(begin, text.size());
}

// Each byte of what is no UTF-8 is read as U+FFFD.
void Tokenizer::Impl::encode_characters(std::string_view text, size_t offset, MatchSpecial special,
                                        Encoding& out) const {
  AlignedText valid(text);
  TextEdit edit(valid);
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    if (!c.valid) {
      edit.keep_until(at);
      for (size_t i = 1; i <= c.size; ++i) edit.replace_until(at + i, "\uFFFD");
      out.dropped_bytes += static_cast<int64_t>(c.size);
    }
    at += c.size;
  }
  edit.finish();
  encode_valid(valid, offset, special, out);
}

Framed Tokenizer::Impl::framed(const std::vector<TemplatePiece>& pieces,
                               std::span<const int32_t> first,
                               std::span<const int32_t> second) const {
  Framed result;
  for (const TemplatePiece& piece : pieces) {
    const std::span<const int32_t> ids = piece.kind == TemplatePiece::Kind::kToken
                                             ? std::span(&piece.id, 1)
                                         : piece.kind == TemplatePiece::Kind::kFirstText ? first
                                                                                         : second;
    result.ids.insert(result.ids.end(), ids.begin(), ids.end());
    result.type_ids.insert(result.type_ids.end(), ids.size(), piece.type_id);
  }
  return result;
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
      continue;
    }
    const std::string_view stretch = text.substr(piece.begin, piece.end - piece.begin);
    if (impl_->byte_level) {
      impl_->encode_bytes(stretch, piece.begin, match_special, out);
    } else {
      impl_->encode_characters(stretch, piece.begin, match_special, out);
    }
  }
  return out;
}

Framed Tokenizer::frame(std::span<const int32_t> text) const {
  return impl_->framed(impl_->post_processor.single, text, {});
}

Framed Tokenizer::frame(std::span<const int32_t> first, std::span<const int32_t> second) const {
  return impl_->framed(impl_->post_processor.pair, first, second);
}

std::string Tokenizer::decode(std::span<const int32_t> ids, DecodeAs as) const {
  std::vector<std::string> tokens;
  std::string bytes;
  for (const int32_t id : ids) {
    const bool known = id >= 0 && id < vocab_size() && impl_->spellings[static_cast<size_t>(id)];
    require(known, "decode: ", id, " is not in the vocabulary of ", vocab_size(), " tokens");
    const std::string& spelling = *impl_->spellings[static_cast<size_t>(id)];
    if (impl_->decodes_bytes) {
      bytes += spelling;
    } else {
      tokens.push_back(spelling);
    }
  }
  if (impl_->decodes_bytes) return to_valid_utf8(bytes);
  const auto start = as == DecodeAs::kWholeText ? StartOfText::kYes : StartOfText::kNo;
  return assay::decode(impl_->decoder, std::move(tokens), start);
}

int64_t Tokenizer::vocab_size() const { return static_cast<int64_t>(impl_->spellings.size()); }
std::optional<int32_t> Tokenizer::bos_id() const { return impl_->bos; }
std::optional<int32_t> Tokenizer::eos_id() const { return impl_->eos; }
bool Tokenizer::adds_bos() const { return !impl_->post_processor.before().empty(); }
bool Tokenizer::adds_eos() const { return !impl_->post_processor.behind().empty(); }
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

std::string content_of(const TokenizerSpec& spec, int32_t id) {
  const auto added = std::ranges::find(spec.added_tokens, id, &AddedToken::id);
  if (added != spec.added_tokens.end()) return added->content;
  return std::ranges::find(spec.vocab, id, &std::pair<std::string, int32_t>::second)->first;
}

// As in transformers 5: what the config says outright counts, then the template; a token that is
// not there is not added.
void apply_config(TokenizerSpec& spec, PostProcessor& post_processor, std::optional<int32_t>& bos,
                  const std::optional<int32_t>& eos) {
  const auto before = post_processor.before();
  require_intact(before.size() <= 1, "post_processor: ", before.size(),
                 " tokens in front of a text are not supported");
  require_intact(before.empty() || !bos || *bos == before[0], "post_processor: puts ",
                 before.empty() ? 0 : before[0],
                 " in front of a text, tokenizer_config.bos_token is ", bos.value_or(0));
  if (!before.empty()) bos = before[0];
  const bool had_bos = !before.empty(), had_eos = !post_processor.behind().empty();
  const bool adds_bos =
      bool_field_or(spec.config, "add_bos_token", had_bos, "tokenizer_config") && bos;
  const bool adds_eos =
      bool_field_or(spec.config, "add_eos_token", had_eos, "tokenizer_config") && (had_eos || eos);
  if (adds_bos == had_bos && adds_eos == had_eos) return;
  const auto token = [&](bool added, const std::optional<int32_t>& id) {
    return added ? std::optional(NamedToken{content_of(spec, *id), *id}) : std::nullopt;
  };
  require_intact(!adds_eos || eos.has_value(),
                 "tokenizer_config.add_eos_token: true without eos_token");
  spec.post_processor = bos_eos_template(token(adds_bos, bos), token(adds_eos, eos));
  post_processor = parse_post_processor(spec.post_processor);
}

}  // namespace

Tokenizer make_tokenizer(TokenizerSpec spec) {
  auto impl = std::make_shared<Tokenizer::Impl>();
  impl->normalizer = parse_normalizer(spec.normalizer);
  impl->pre_tokenizer = parse_pre_tokenizer(
      spec.pre_tokenizer,
      spec.type == ModelType::kBpe ? LastByteLevel::kSpellsBytes : LastByteLevel::kWritesSymbols);
  impl->byte_level = is_byte_level(impl->pre_tokenizer);
  impl->model = token_model_of(
      spec, impl->byte_level ? BpeModel::Symbols::kBytes : BpeModel::Symbols::kCharacters);
  impl->decoder = parse_decoder(spec.decoder);
  impl->decodes_bytes = impl->byte_level || is_byte_level(impl->decoder);
  impl->plain_added = plain_matcher_of(spec);
  impl->normalized_added = normalized_matcher_of(spec, impl->normalizer);
  impl->spellings = spellings_of(spec, impl->decodes_bytes ? Spelling::kBytes : Spelling::kTokens);
  impl->bos = named_id(spec, "bos_token");
  impl->eos = named_id(spec, "eos_token");
  impl->post_processor = parse_post_processor(spec.post_processor);
  for (const auto* pieces : {&impl->post_processor.single, &impl->post_processor.pair}) {
    for (const int32_t id : impl->framed(*pieces, {}, {}).ids) {
      const bool known = static_cast<size_t>(id) < impl->spellings.size() &&
                         impl->spellings[static_cast<size_t>(id)];
      require_intact(known, "post_processor: no token has the id ", id);
    }
  }
  apply_config(spec, impl->post_processor, impl->bos, impl->eos);
  impl->spec = std::move(spec);
  return Tokenizer(std::move(impl));
}

Tokenizer tokenizer_from_json(std::string_view tokenizer_json, std::string_view tokenizer_config) {
  return make_tokenizer(parse_tokenizer_json(tokenizer_json, tokenizer_config));
}

}  // namespace assay
