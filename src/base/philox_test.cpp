#include "base/philox.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/error.h"

namespace assay {
namespace {

using Block = std::array<uint32_t, 4>;

// The known-answer vectors that the authors' Random123 library ships for philox4x32 with 10 rounds.
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(PhiloxStream, WalksTheCounterOfItsStream) {
  PhiloxStream draws(0x299f31d0a4093822u, 5);
  const auto block0 = philox4x32({0, 0, 5, 0}, {0xa4093822, 0x299f31d0});
  const auto block1 = philox4x32({1, 0, 5, 0}, {0xa4093822, 0x299f31d0});
  for (const uint32_t expected : block0) EXPECT_EQ(draws.next_uint32(), expected);
  for (const uint32_t expected : block1) EXPECT_EQ(draws.next_uint32(), expected);
}

// 70 000 draws of 7 values: each count is 10 000 with standard deviation 93, so 5 of them are 463.
TEST(PhiloxStream, BelowIsUniform) {
  PhiloxStream draws(1, 0);
  std::vector<int> counts(7);
  for (int i = 0; i < 70000; ++i) ++counts[draws.below(7)];
  for (const int count : counts) EXPECT_NEAR(count, 10000, 463);
  EXPECT_THROW(draws.below(0), Error);
}

// The mean of 100 000 standard normals has standard deviation 0.0032, their variance 0.0045.
TEST(PhiloxStream, NormalHasMeanZeroAndVarianceOne) {
  PhiloxStream draws(2, 0);
  double sum = 0;
  double squares = 0;
  constexpr int n = 100000;
  for (int i = 0; i < n; ++i) {
    const double x = draws.normal();
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / n, 0, 0.016);
  EXPECT_NEAR(squares / n, 1, 0.023);
}

}  // namespace
}  // namespace assay
