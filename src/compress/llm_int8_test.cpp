#include "compress/llm_int8.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "base/error.h"
#include "base/thread_pool.h"

namespace assay {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

// absmax 1: 0.5 * 127 = 63.5 -> 64 (half to even), -127, 0.2 * 127 = 25.4 -> 25, 101.6 -> 102.
TEST(LlmInt8, MatchesHandComputedCase) {
  const auto result = llm_int8_quantize(torch::tensor({{0.5f, -1.0f, 0.2f, 0.8f}}));
  EXPECT_TRUE(at::equal(result.absmax, torch::ones({1})));
  EXPECT_TRUE(at::equal(result.codes, torch::tensor({{64, -127, 25, 102}}).to(at::kChar)));
  EXPECT_TRUE(at::allclose(result.values, torch::tensor({{64.0f, -127.0f, 25.0f, 102.0f}}) / 127));
}

TEST(LlmInt8, ErrorIsHalfAStepAndZeroRowsStayZero) {
  for (const uint64_t seed : {1u, 2u, 3u}) {
    at::manual_seed(seed);
    auto weight = torch::randn({19, 333});
    weight[7].zero_();
    const auto result = llm_int8_quantize(weight);
    EXPECT_TRUE(at::equal(result.absmax, weight.abs().amax(1)));
    const auto bound = result.absmax.unsqueeze(1) / 254 * (1 + 1e-5);
    EXPECT_TRUE(((weight - result.values).abs() <= bound).all().item<bool>());
    EXPECT_TRUE((result.codes[7] == 0).all().item<bool>());
    EXPECT_TRUE((result.values.masked_select(weight == 0) == 0).all().item<bool>());
  }
}

TEST(LlmInt8, AgreesWithTheDefinitionInTensorOperations) {
  at::manual_seed(4);
  const auto weight = torch::randn({50, 120});
  const auto result = llm_int8_quantize(weight);
  const auto absmax = weight.abs().amax(1, true);
  EXPECT_TRUE(at::equal(result.codes, (weight * (127 / absmax)).round().to(at::kChar)));
}

// What was dequantized has the same codes, and its absmax is the same but for a rounding.
TEST(LlmInt8, RequantizingIsAFixedPoint) {
  at::manual_seed(5);
  const auto first = llm_int8_quantize(torch::randn({40, 96}));
  const auto second = llm_int8_quantize(first.values);
  EXPECT_TRUE(at::equal(second.codes, first.codes));
  EXPECT_TRUE(at::allclose(second.absmax, first.absmax, 2.5e-7, 0));
}

TEST(LlmInt8, DoesNotDependOnTheNumberOfThreads) {
  at::manual_seed(6);
  const auto weight = torch::randn({200, 300});
  const int64_t threads = num_threads();
  set_num_threads(1);
  const auto one = llm_int8_quantize(weight);
  set_num_threads(2);
  const auto two = llm_int8_quantize(weight);
  set_num_threads(threads);
  EXPECT_TRUE(at::equal(one.codes, two.codes));
  EXPECT_TRUE(at::equal(one.values, two.values));
}

TEST(LlmInt8, CountsItsBits) { EXPECT_EQ(llm_int8_bits(64), 8.5); }

TEST(LlmInt8, RefusesWhatHasNoScale) {
  EXPECT_THAT(
      [] {
        llm_int8_quantize(torch::full({1, 4}, NAN));
      },
      ThrowsMessage<Error>(HasSubstr("not finite")));
  EXPECT_THAT(
      [] {
        llm_int8_quantize(torch::full({2, 4}, 1e-40f));
      },
      ThrowsMessage<Error>(HasSubstr("too small to divide by")));
  EXPECT_THROW(llm_int8_quantize(torch::ones({4})), Error);
  EXPECT_THROW(llm_int8_dequantize(torch::ones({2, 4}, torch::kChar), torch::ones({4})), Error);
}

}  // namespace
}  // namespace assay
