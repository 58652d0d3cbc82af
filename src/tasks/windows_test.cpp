#include "tasks/windows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tasks/padded_scoring.h"

namespace assay {
namespace {

using testing::ElementsAre;
using P = PerplexityProtocol;
const std::vector<int32_t> kNine{0, 1, 2, 3, 4, 5, 6, 7, 8};

// Nine tokens in windows of four: 0-3, 4-7, and a rest of one token, which has nothing to predict.
TEST(Windows, FirstTokenIsContextAndARestOfOneIsLeftOut) {
  const auto windows = cut_windows(kNine, 4, P::kTokenWeighted, std::nullopt);
  ASSERT_EQ(windows.size(), 2u);
  EXPECT_THAT(windows[1].request.context_ids, ElementsAre(4));
  EXPECT_THAT(windows[1].request.continuation_ids, ElementsAre(5, 6, 7));
  EXPECT_EQ(windows[1].begin, 5);
  EXPECT_EQ(windows[1].end, 8);
}

TEST(Windows, TheLastShortWindowIsKeptOrDroppedByProtocol) {
  const std::span<const int32_t> six(kNine.data(), 6);
  for (const auto protocol : {P::kTokenWeighted, P::kBeyondPerplexity}) {
    const auto windows = cut_windows(six, 4, protocol, std::nullopt);
    ASSERT_EQ(windows.size(), 2u);
    EXPECT_THAT(windows[1].request.continuation_ids, ElementsAre(5));
  }
  EXPECT_EQ(cut_windows(six, 4, P::kGptq, std::nullopt).size(), 1u);
  EXPECT_THROW(cut_windows(six, 7, P::kGptq, std::nullopt), Error);
  EXPECT_EQ(cut_windows(six, 7, P::kTokenWeighted, std::nullopt).size(), 1u);
  EXPECT_THROW(cut_windows(six, 1, P::kTokenWeighted, std::nullopt), Error);
}

// Windows of 8 in llama.cpp: positions 4..6 predict tokens 5..7; BOS takes the place of the first
// token.
TEST(Windows, LlamaCppScoresTheSecondHalf) {
  const auto windows = cut_windows(kNine, 8, P::kLlamaCpp, 99);
  ASSERT_EQ(windows.size(), 1u);
  EXPECT_THAT(windows[0].request.context_ids, ElementsAre(99, 1, 2, 3, 4));
  EXPECT_THAT(windows[0].request.continuation_ids, ElementsAre(5, 6, 7));
}

TEST(Windows, ComponentsWeighTokensOrWindows) {
  const ScoreResult score{.log_likelihood = -6, .num_tokens = 3};
  EXPECT_THAT(window_components(score, P::kTokenWeighted), ElementsAre(6, 3));
  EXPECT_THAT(window_components(score, P::kLlamaCpp), ElementsAre(6, 3));
  EXPECT_THAT(window_components(score, P::kBeyondPerplexity), ElementsAre(2, 1));
  EXPECT_THAT(window_components(score, P::kGptq), ElementsAre(2, 1));
}

TEST(Windows, ProtocolsByName) {
  EXPECT_EQ(perplexity_protocol("gptq"), P::kGptq);
  EXPECT_EQ(perplexity_protocol("beyond-perplexity"), P::kBeyondPerplexity);
  EXPECT_THROW(perplexity_protocol("gptk"), Error);
}

// The example of spec 2.0.4: a prompt of 10 tokens, options of 2, 4 and 3. T = 14, k = (2, 0, 1):
// option 1 pays for prompt tokens 9-10 (ids 8, 9), option 3 for token 10.
TEST(PaddedScoring, ShorterOptionsPayForTheEndOfThePrompt) {
  std::vector<std::vector<int32_t>> rows;
  for (const int32_t option : {2, 4, 3}) {
    rows.emplace_back();
    for (int32_t id = 0; id < 10 + option; ++id) rows.back().push_back(id);
  }
  const auto requests = padded_requests(rows, 10);
  EXPECT_THAT(requests[0].continuation_ids, ElementsAre(8, 9, 10, 11));
  EXPECT_THAT(requests[1].continuation_ids, ElementsAre(10, 11, 12, 13));
  EXPECT_THAT(requests[2].continuation_ids, ElementsAre(9, 10, 11, 12));
  EXPECT_EQ(requests[0].context_ids.size(), 8u);
  EXPECT_THROW(padded_requests(rows, 12), Error);  // an option without a token
}

}  // namespace
}  // namespace assay
