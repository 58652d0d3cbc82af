#include "io/block_steps.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace assay {
namespace {

// 64 values whose largest is not at the end of the range, where a fit would choose another step.
std::vector<float> values_under(const StepFormat& format, float first_step, float second_step) {
  std::vector<float> values;
  for (int i = 0; i < 64; ++i) {
    const auto code = static_cast<float>(1 + i % (format.bits == 8 ? 200 : 13));
    values.push_back((i < 32 ? first_step : second_step) *
                     (code - static_cast<float>(format.zero)));
  }
  return values;
}

TEST(BlockSteps, BlocksHoldMultiplesOfAGivenStepExactly) {
  for (const char* name : {"Q4_0", "Q5_0", "Q8_0"}) {
    SCOPED_TRACE(name);
    const BlockFormat& format = *block_format_by_name(name);
    const StepFormat codes = step_format(format).value();
    const std::vector<float> steps{0.0123443603515625f, -0.5f};
    const auto values = values_under(codes, steps[0], steps[1]);
    std::vector<std::byte> blocks(2 * format.block_bytes);
    ASSERT_TRUE(encode_with_steps(format, values, steps, blocks));
    std::vector<float> decoded(values.size());
    decode_blocks(format, blocks, decoded);
    EXPECT_EQ(decoded, values);
    EXPECT_EQ(steps_of_blocks(format, blocks), steps);
    const auto read = codes_of_values(codes, decoded, steps);
    EXPECT_EQ(read[0], 1);
    EXPECT_EQ(read[7], 8);
    EXPECT_EQ(read[40], 1 + 40 % (codes.bits == 8 ? 200 : 13));
  }
}

TEST(BlockSteps, AreRefusedWhereTheyDoNotFit) {
  const BlockFormat& format = *block_format_by_name("Q4_0");
  std::vector<std::byte> block(format.block_bytes);
  const auto fits = [&](float value, float step) {
    std::vector<float> values(32, 0.0f);
    values[5] = value;
    const std::vector<float> steps{step};
    return encode_with_steps(format, values, steps, block);
  };
  EXPECT_TRUE(fits(-8, 1));
  EXPECT_FALSE(fits(8, 1));              // the code 16
  EXPECT_FALSE(fits(1.5f, 1));           // between two codes
  EXPECT_FALSE(fits(1.0001f, 1.0001f));  // no float16
  EXPECT_TRUE(fits(0, 0));
  EXPECT_FALSE(fits(1, 0.0f));
  EXPECT_FALSE(step_format(*block_format_by_name("Q4_1")).has_value());
}

}  // namespace
}  // namespace assay
