// A tokenizer out of its specification (declared in tokenizer/tokenizer_impl.h).

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "tokenizer/byte_symbols.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/tokenizer_impl.h"

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

uint64_t next_owner() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

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
  impl->owner = next_owner();
  impl->spec = std::move(spec);
  return Tokenizer(std::move(impl));
}

}  // namespace assay
