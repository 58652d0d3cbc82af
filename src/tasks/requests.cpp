#include "tasks/requests.h"

#include "base/error.h"
#include "tasks/chat_prompt.h"
#include "tasks/limit.h"

namespace assay {

std::vector<ScoreRequest> choice_requests(const Tokenizer& tokenizer, const Sample& sample) {
  return in_context(sample.id, [&] {
    std::vector<ScoreRequest> requests;
    for (const auto& choice : sample.choices) {
      requests.push_back(sample.is_chat ? encode_chat_request(tokenizer, sample.context, choice)
                                        : encode_request(tokenizer, sample.context, choice));
    }
    return requests;
  });
}

std::vector<Item> choice_items(const Tokenizer& tokenizer, std::vector<Sample> samples,
                               const TaskOptions& options, std::string_view task) {
  const auto chat = chat_prompt(tokenizer, options.chat, task);
  std::vector<Item> items;
  for (Sample& sample : drawn(std::move(samples), options.limit, options.seed)) {
    if (chat) ask_as_chat(*chat, sample);
    auto requests = choice_requests(tokenizer, sample);
    items.push_back({std::move(sample), std::move(requests)});
  }
  return items;
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
