#include "tasks/padded_scoring.h"

#include <algorithm>

#include "base/error.h"
#include "tasks/requests.h"

namespace assay {

std::vector<ScoreRequest> padded_requests(std::span<const std::vector<int32_t>> rows,
                                          int64_t num_prompt) {
  int64_t longest = 0;
  for (const auto& row : rows) longest = std::max(longest, static_cast<int64_t>(row.size()));
  std::vector<ScoreRequest> requests;
  for (const auto& row : rows) {
    const auto length = static_cast<int64_t>(row.size());
    require(length > num_prompt, "padded scoring: ", length, " tokens with a prompt of ",
            num_prompt);
    const int64_t first_scored = num_prompt - (longest - length);
    require(first_scored >= 1, "padded scoring: an option is ", longest - length,
            " tokens shorter than the longest, the prompt has only ", num_prompt);
    requests.push_back(
        {{row.begin(), row.begin() + first_scored}, {row.begin() + first_scored, row.end()}});
  }
  return requests;
}

std::vector<ScoreRequest> padded_choice_requests(const Tokenizer& tokenizer, const Sample& sample) {
  std::vector<std::vector<int32_t>> rows;
  for (const auto& choice : sample.choices) {
    rows.push_back(ids_with_bos(tokenizer, sample.context + choice));
  }
  const auto num_prompt = static_cast<int64_t>(ids_with_bos(tokenizer, sample.context).size());
  return in_context(sample.id, [&] { return padded_requests(rows, num_prompt); });
}

}  // namespace assay
