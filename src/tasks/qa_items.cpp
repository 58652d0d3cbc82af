#include "tasks/padded_scoring.h"
#include "tasks/qa_bias.h"
#include "tasks/requests.h"

namespace assay {
namespace {

std::vector<ScoreRequest> paper_requests(const Tokenizer& tokenizer, const Sample& sample) {
  std::vector<std::vector<int32_t>> rows;
  for (const auto& choice : sample.choices) {
    rows.push_back(ids_with_bos(tokenizer, sample.context + choice));
  }
  const auto num_prompt = static_cast<int64_t>(ids_with_bos(tokenizer, sample.context).size());
  return in_context(sample.id, [&] { return padded_requests(rows, num_prompt); });
}

}  // namespace

std::vector<Item> qa_items(const Tokenizer& tokenizer, std::vector<Sample> samples,
                           const QaOptions& options) {
  std::vector<Item> items;
  for (Sample& sample : samples) {
    auto requests = options.protocol == QaProtocol::kBeyondPerplexity
                        ? paper_requests(tokenizer, sample)
                        : choice_requests(tokenizer, sample);
    if (options.pmi) {
      for (auto& request : unconditional_requests(tokenizer, sample))
        requests.push_back(std::move(request));
    }
    items.push_back({std::move(sample), std::move(requests)});
  }
  return items;
}

}  // namespace assay
