#include "base/error.h"
#include "tasks/chat_prompt.h"
#include "tasks/limit.h"
#include "tasks/padded_scoring.h"
#include "tasks/qa_bias.h"
#include "tasks/requests.h"

namespace assay {
std::vector<Item> qa_items(const Tokenizer& tokenizer, std::vector<Sample> samples,
                           const QaOptions& qa, const TaskOptions& options, std::string_view task) {
  const auto chat = chat_prompt(tokenizer, options.chat, task);
  require(!chat || qa.protocol == QaProtocol::kCorrect, task,
          ": apply_chat_template: the protocol beyond-perplexity has no chat");
  std::vector<Item> items;
  for (Sample& sample : drawn(std::move(samples), options.limit, options.seed)) {
    if (chat) ask_as_chat(*chat, sample);
    auto requests = qa.protocol == QaProtocol::kBeyondPerplexity
                        ? padded_choice_requests(tokenizer, sample)
                        : choice_requests(tokenizer, sample);
    if (qa.pmi) {
      for (auto& request : unconditional_requests(tokenizer, sample))
        requests.push_back(std::move(request));
    }
    items.push_back({std::move(sample), std::move(requests)});
  }
  return items;
}

}  // namespace assay
