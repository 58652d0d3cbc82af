#include "model/rope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

TEST(Rope, PlainFrequenciesFallGeometrically) {
  const auto f = rotary_frequencies(4, 100, {});
  ASSERT_EQ(f.inverse.size(), 2u);
  EXPECT_FLOAT_EQ(f.inverse[0], 1);
  EXPECT_FLOAT_EQ(f.inverse[1], 0.1f);
  EXPECT_EQ(f.magnitude, 1);
  const auto stretched = rotary_frequencies(4, 100, {.rope_type = "linear", .factor = 4});
  EXPECT_FLOAT_EQ(stretched.inverse[1], 0.025f);
}

// Context 100, low 1, high 4: waves up to 25 stay, above 100 they are stretched by 8. theta 16,
// four pairs: waves 2 pi times 1, 2, 4, 8 = 6.3, 12.6, 25.1, 50.3.
TEST(Rope, Llama3StretchesLongWaves) {
  const RopeScaling scaling{
      .rope_type = "llama3", .factor = 8, .original_max_position_embeddings = 100};
  const auto f = rotary_frequencies(8, 16, scaling).inverse;
  EXPECT_FLOAT_EQ(f[0], 1);
  EXPECT_FLOAT_EQ(f[1], 0.5f);
  const double share = (100 / (16 * M_PI) - 1) / 3;
  EXPECT_NEAR(static_cast<double>(f[3]), 0.125 * ((1 - share) / 8 + share), 1e-7);
  EXPECT_FLOAT_EQ(rotary_frequencies(8, 1e4, scaling).inverse[3], 1e-3f / 8);
}

TEST(Rope, DivisorsOfAFileAreRecognized) {
  const RopeScaling llama32{
      .rope_type = "llama3", .factor = 32, .original_max_position_embeddings = 8192};
  const auto plain = rotary_frequencies(64, 5e5, {}).inverse;
  const auto scaled = rotary_frequencies(64, 5e5, llama32).inverse;
  std::vector<float> divisors;
  for (size_t i = 0; i < plain.size(); ++i) divisors.push_back(plain[i] / scaled[i]);
  EXPECT_EQ(scaling_of_divisors(divisors, 5e5), llama32);
  divisors[20] *= 1.01f;
  EXPECT_THROW(scaling_of_divisors(divisors, 5e5), Error);
}

TEST(Rope, RefusesByName) {
  const auto refusal = [](const char* text) -> std::string {
    try {
      rope_scaling_from_json(parse_json(text, "test"), 2048);
    } catch (const Error& e) {
      return e.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refusal(R"({"rope_type": "linear", "factor": 2})"), "accepted");
  EXPECT_EQ(refusal(R"({"rope_type": "default", "rope_theta": 5e5})"), "accepted");
  EXPECT_THAT(refusal(R"({"rope_type": "lama3"})"), HasSubstr("did you mean 'llama3'?"));
  EXPECT_THAT(refusal(R"({"rope_type": "linear", "factor": 0})"), HasSubstr("factor must be"));
  EXPECT_THAT(refusal(R"({"factor": 2})"), HasSubstr("a factor needs a type"));
  EXPECT_THAT(
      refusal(
          R"({"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4})"),
      HasSubstr("high_freq_factor must be above"));
  EXPECT_THAT(refusal(R"({"rope_type": "yarn", "factor": 4, "mscale": 1})"), HasSubstr("'mscale'"));
  EXPECT_THAT(
      refusal(R"({"rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 0})"),
      HasSubstr("original_max_position_embeddings"));
}

}  // namespace
}  // namespace assay
