#include "kernels/vocabulary.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "base/error.h"

namespace assay::kernels {
namespace {

TEST(TokenLogProbabilities, MatchesHandComputedCase) {
  // Logits of hidden state (1): ln 1, ln 2, ln 5, sum 8: token 1 has 2/8, token 2 has 5/8 and is
  // the largest.
  const std::vector<float> head = {0, std::log(2.0f), std::log(5.0f)}, hidden = {1};
  const std::vector<TokenQuestion> questions = {{.row = 0, .token = 1}, {.row = 0, .token = 2}};
  const auto answers =
      token_log_probabilities(pack_weight(head.data(), 3, 1), hidden.data(), 1, questions);
  EXPECT_NEAR(answers[0].log_probability, std::log(2.0 / 8), 1e-7);
  EXPECT_FALSE(answers[0].is_greedy);
  EXPECT_NEAR(answers[1].log_probability, std::log(5.0 / 8), 1e-7);
  EXPECT_TRUE(answers[1].is_greedy);
}

TEST(TokenLogProbabilities, OfEqualLogitsTheLowestIdIsGreedy) {
  std::vector<float> head(1000, 0.5f);
  head[3] = head[299] = head[700] = 2.0f;  // in three tiles
  const float hidden = 1;
  const auto packed = pack_weight(head.data(), 1000, 1);
  for (const int32_t token : {3, 299, 700}) {
    const TokenQuestion question{.row = 0, .token = token};
    EXPECT_EQ(token_log_probabilities(packed, &hidden, 1, {&question, 1})[0].is_greedy, token == 3)
        << token;
  }
}

TEST(TokenLogProbabilities, AgreesWithDoubleAndHasTheSameBitsForAnyRowsAndInstructionSet) {
  const int64_t rows = 130, in = 20;
  for (const int64_t out : {5, 256, 700, 1031}) {
    std::mt19937_64 random(static_cast<uint64_t>(out));
    std::normal_distribution<float> normal(0, 1.5f);
    std::vector<float> head(static_cast<size_t>(out * in)), hidden(static_cast<size_t>(rows * in));
    for (float& v : head) v = normal(random);
    for (float& v : hidden) v = normal(random);
    std::vector<TokenQuestion> questions;
    for (int64_t r = 0; r < rows; ++r) {
      for (int i = 0; i < 2; ++i) {
        questions.push_back(
            {.row = r, .token = static_cast<int32_t>(random() % static_cast<uint64_t>(out))});
      }
    }
    const auto packed = pack_weight(head.data(), out, in);
    const auto answers = token_log_probabilities(packed, hidden.data(), rows, questions);
    const auto portable = token_log_probabilities(pack_weight(head.data(), out, in, Isa::kPortable),
                                                  hidden.data(), rows, questions);
    for (size_t i = 0; i < questions.size(); ++i) {
      const TokenQuestion& q = questions[i];
      std::vector<double> logits;
      for (int64_t c = 0; c < out; ++c) {
        double dot = 0;
        for (int64_t k = 0; k < in; ++k) {
          dot += static_cast<double>(hidden[static_cast<size_t>(q.row * in + k)]) *
                 static_cast<double>(head[static_cast<size_t>(c * in + k)]);
        }
        logits.push_back(dot);
      }
      const double max = *std::ranges::max_element(logits);
      double sum = 0;
      for (const double l : logits) sum += std::exp(l - max);
      // Logits of size 40 in float32: 4e-6 apart.
      EXPECT_NEAR(answers[i].log_probability,
                  logits[static_cast<size_t>(q.token)] - max - std::log(sum), 2e-5);
      EXPECT_EQ(answers[i].log_probability, portable[i].log_probability);
      EXPECT_EQ(answers[i].is_greedy, portable[i].is_greedy);

      const TokenQuestion alone{.row = 0, .token = q.token};
      const auto one = token_log_probabilities(packed, hidden.data() + q.row * in, 1, {&alone, 1});
      EXPECT_EQ(one[0].log_probability, answers[i].log_probability);
    }
  }
}

TEST(TokenLogProbabilities, RefusesQuestionsOutOfRangeOrOrder) {
  const std::vector<float> head = {1, 2}, hidden = {1, 1};
  const auto packed = pack_weight(head.data(), 2, 1);
  const auto ask = [&](std::vector<TokenQuestion> q) {
    return token_log_probabilities(packed, hidden.data(), 2, q);
  };
  EXPECT_THROW(ask({{.row = 0, .token = 2}}), Error);
  EXPECT_THROW(ask({{.row = 2, .token = 0}}), Error);
  EXPECT_THROW(ask({{.row = 1, .token = 0}, {.row = 0, .token = 0}}), Error);
}

}  // namespace
}  // namespace assay::kernels
