#pragma once
// Log-likelihood of continuations: the one place where questions meet a model.

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "model/block.h"
#include "tokenizer/tokenizer.h"

namespace assay {

struct ScoreRequest {
  std::vector<int32_t> context_ids;       // at least one token
  std::vector<int32_t> continuation_ids;  // at least one token
};

struct ScoreResult {
  double log_likelihood = 0;  // nats, sum over the continuation's tokens
  int64_t num_tokens = 0;     // scored
  bool is_greedy = false;  // every token of the continuation is the arg max (lowest id of equals)
};

struct ScoreStats {
  int64_t num_requests = 0;
  int64_t request_tokens = 0;  // sum of the lengths of context + continuation
  int64_t computed_tokens =
      0;  // rows that passed through the blocks: what is left after sharing prefixes
  int64_t logit_rows = 0;
};

struct ScoreOptions {
  int64_t batch_tokens = 2048;  // rows of a batch; bounds memory
  // Called after each batch with the indices of the requests that it finished; results are final.
  std::function<void(std::span<const int64_t> finished, const std::vector<ScoreResult>& results)>
      on_batch;
};

// One result per request, in order. Keys and values go through the model's KV cache format where it
// has one, so that a token is scored by what decoding would attend to. Float32 results are
// bit-equal for any batch_tokens, order and set of requests, sharing of prefixes and number of
// threads. Error(kBadInput) on an id outside the vocabulary or an empty part, and, naming the
// layer, on keys or values that the format cannot hold; Error(kInternal) when a result is not
// finite.
std::vector<ScoreResult> score(const CausalLM& model, std::span<const ScoreRequest> requests,
                               const ScoreOptions& options, ScoreStats* stats = nullptr);

// Error(kBadInput) unless the model can score this request: what score() checks of each.
void check_request(const ModelConfig& config, const ScoreRequest& request);

// The ids that score context + continuation, tokenized jointly with BOS where the tokenizer adds
// one: a token belongs to the continuation when its span ends behind the boundary. An empty context
// is BOS, or EOS where there is none. Error(kBadInput) on an empty continuation, or one whose every
// token ends inside the context.
ScoreRequest encode_request(const Tokenizer& tokenizer, std::string_view context,
                            std::string_view continuation);

// The same behind a rendered chat (chat/chat_tokens.h): the special tokens that the text spells are
// tokens, and BOS stands in front once at the most.
ScoreRequest encode_chat_request(const Tokenizer& tokenizer, std::string_view rendered,
                                 std::string_view continuation);

// Windows of ids (no BOS added), one request a window: its first token is context. A window of one
// token is left out.
std::vector<ScoreRequest> rolling_requests(std::span<const int32_t> ids, int64_t window);

// How many tokens the requests hold and how many differ as prefixes: what a plan promises before
// any work.
ScoreStats plan_score(std::span<const ScoreRequest> requests);

}  // namespace assay
