// Text into the ids of a request (declared in infer/score.h).

#include <algorithm>

#include "base/error.h"
#include "chat/chat_tokens.h"
#include "infer/score.h"

namespace assay {
namespace {

// Tokens that end within the first `context_bytes` of the text are context.
ScoreRequest divided(const Encoding& encoding, size_t context_bytes) {
  const auto behind = std::ranges::upper_bound(encoding.ends, static_cast<int64_t>(context_bytes));
  const auto split = encoding.ids.begin() + (behind - encoding.ends.begin());
  ScoreRequest request{.context_ids = {encoding.ids.begin(), split},
                       .continuation_ids = {split, encoding.ids.end()}};
  require(!request.continuation_ids.empty(), "the continuation has no token of its own");
  return request;
}

void require_continuation(std::string_view continuation) {
  require(!continuation.empty(), "the continuation is empty");
}

}  // namespace

ScoreRequest encode_request(const Tokenizer& tokenizer, std::string_view context,
                            std::string_view continuation) {
  require_continuation(continuation);
  std::string text(context);
  text += continuation;
  ScoreRequest request = divided(tokenizer.encode(text), context.size());
  auto& ids = request.context_ids;
  if (tokenizer.adds_bos()) {
    require(tokenizer.bos_id().has_value(), "the tokenizer adds BOS but has none");
    ids.insert(ids.begin(), *tokenizer.bos_id());
  }
  if (ids.empty()) {
    const auto first = tokenizer.bos_id() ? tokenizer.bos_id() : tokenizer.eos_id();
    require(first.has_value(), "an empty context needs a tokenizer with BOS or EOS");
    ids.push_back(*first);
  }
  return request;
}

ScoreRequest encode_chat_request(const Tokenizer& tokenizer, std::string_view rendered,
                                 std::string_view continuation) {
  require_continuation(continuation);
  require(!rendered.empty(), "the rendered chat is empty");
  std::string text(rendered);
  text += continuation;
  ScoreRequest request = divided(encode_chat(tokenizer, text), rendered.size());
  require(!request.context_ids.empty(), "the rendered chat has no token of its own");
  return request;
}

}  // namespace assay
