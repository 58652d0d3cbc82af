#include "tasks/requests.h"

#include "base/error.h"

namespace assay {

std::vector<ScoreRequest> choice_requests(const Tokenizer& tokenizer, const Sample& sample) {
  return in_context(sample.id, [&] {
    std::vector<ScoreRequest> requests;
    for (const auto& choice : sample.choices) {
      requests.push_back(encode_request(tokenizer, sample.context, choice));
    }
    return requests;
  });
}

std::vector<ScoreRequest> unconditional_requests(const Tokenizer& tokenizer, const Sample& sample) {
  return in_context(sample.id, [&] {
    std::vector<ScoreRequest> requests;
    for (const auto& choice : sample.choices) {
      requests.push_back(encode_request(tokenizer, "", choice));
    }
    return requests;
  });
}

std::vector<int32_t> ids_with_bos(const Tokenizer& tokenizer, std::string_view text) {
  auto ids = tokenizer.encode(text).ids;
  if (tokenizer.adds_bos() && tokenizer.bos_id()) ids.insert(ids.begin(), *tokenizer.bos_id());
  return ids;
}

}  // namespace assay
