#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "tokenizer/code_points.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/tokenizer_impl.h"

namespace assay {
namespace {

// Words that a thread has encoded already. One tokenizer at a time: another one empties it.
struct WordCache {
  static constexpr size_t kMaxWords = 1 << 16, kMaxWordBytes = 256;
  uint64_t owner = 0;
  std::unordered_map<std::string, WordTokens> words;
};

}  // namespace

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

}  // namespace assay
