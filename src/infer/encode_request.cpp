// Text into the ids of a request (declared in infer/score.h).

#include <algorithm>

#include "base/error.h"
#include "infer/score.h"

namespace assay {

ScoreRequest encode_request(const Tokenizer& tokenizer, std::string_view context,
                            std::string_view continuation) {
  require(!continuation.empty(), "the continuation is empty");
  std::string text(context);
  text += continuation;
  const Encoding encoding = tokenizer.encode(text);
  const auto behind = std::ranges::upper_bound(encoding.ends, static_cast<int64_t>(context.size()));
  const auto split = encoding.ids.begin() + (behind - encoding.ends.begin());
  ScoreRequest request;
  if (tokenizer.adds_bos()) {
    require(tokenizer.bos_id().has_value(), "the tokenizer adds BOS but has none");
    request.context_ids.push_back(*tokenizer.bos_id());
  }
  request.context_ids.insert(request.context_ids.end(), encoding.ids.begin(), split);
  request.continuation_ids.assign(split, encoding.ids.end());
  require(!request.continuation_ids.empty(), "the continuation has no token of its own");
  if (request.context_ids.empty()) {
    const auto first = tokenizer.bos_id() ? tokenizer.bos_id() : tokenizer.eos_id();
    require(first.has_value(), "an empty context needs a tokenizer with BOS or EOS");
    request.context_ids.push_back(*first);
  }
  return request;
}

}  // namespace assay
