#include "tasks/windows.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/json.h"

namespace assay {

PerplexityProtocol perplexity_protocol(std::string_view name) {
  static constexpr std::array<std::string_view, 4> kNames{"token-weighted", "beyond-perplexity",
                                                          "gptq", "llamacpp"};
  const auto found = std::ranges::find(kNames, name);
  require(found != kNames.end(), "unknown protocol '", name, "'", suggest(name, kNames));
  return static_cast<PerplexityProtocol>(found - kNames.begin());
}

std::vector<Window> cut_windows(std::span<const int32_t> ids, int64_t window,
                                PerplexityProtocol protocol, std::optional<int32_t> bos) {
  require(window >= 2, "window must be at least 2 tokens, got ", window);
  const bool drops_rest =
      protocol == PerplexityProtocol::kGptq || protocol == PerplexityProtocol::kLlamaCpp;
  const bool scores_half = protocol == PerplexityProtocol::kLlamaCpp;
  const auto num_ids = static_cast<int64_t>(ids.size());
  std::vector<Window> windows;
  for (int64_t start = 0; start < num_ids; start += window) {
    const int64_t end = std::min(start + window, num_ids);
    if (end - start < (drops_rest ? window : 2)) break;
    // llama.cpp predicts the tokens behind position window / 2.
    const int64_t begin = start + (scores_half ? window / 2 + 1 : 1);
    if (begin == end) continue;
    ScoreRequest request{{ids.begin() + start, ids.begin() + begin},
                         {ids.begin() + begin, ids.begin() + end}};
    if (scores_half && bos) request.context_ids.front() = *bos;
    windows.push_back({std::move(request), begin, end});
  }
  require(!windows.empty(), "the text has ", num_ids, " tokens, less than one window of ", window);
  return windows;
}

std::vector<double> window_components(const ScoreResult& score, PerplexityProtocol protocol) {
  const double nll = -score.log_likelihood, tokens = static_cast<double>(score.num_tokens);
  const bool by_window =
      protocol == PerplexityProtocol::kBeyondPerplexity || protocol == PerplexityProtocol::kGptq;
  return by_window ? std::vector<double>{nll / tokens, 1} : std::vector<double>{nll, tokens};
}

}  // namespace assay
