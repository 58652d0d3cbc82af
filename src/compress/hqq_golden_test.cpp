// HQQ's zero points against the package hqq (tests/golden/make_hqq_golden.py).

#include <gtest/gtest.h>
#include <torch/types.h>

#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "compress/hqq.h"

namespace assay {
namespace {

at::Tensor weights(float size) {
  uint32_t state = 99;
  auto values = at::empty({12, 128}, at::kFloat);
  for (int64_t i = 0; i < values.numel(); ++i) {
    int64_t sum = -131070;
    for (int k = 0; k < 4; ++k) {
      state = state * 1664525u + 1013904223u;
      sum += state >> 16;
    }
    values.data_ptr<float>()[i] = static_cast<float>(sum) / 65536.0f * size;
  }
  return values;
}

// Their default solver, whose last zeros these are, leaves beta as it is: kappa 1. They multiply by
// the inverse of the scale and take means in float32, so that zeros differ by some units of float32
// at 255, and one code that lies next to a tie moves its group's zero by 1/64.
TEST(HqqGolden, ZerosAreThoseOfTheReleasedSolvers) {
  const Json golden = parse_json(read_file(ASSAY_SOURCE_DIR "/tests/golden/hqq.json"), "golden");
  ASSERT_EQ(golden.size(), 8u);
  int64_t num_moved = 0;
  for (const Json& expected : golden) {
    const auto weight = weights(expected["size"].get<float>());
    for (const bool last : {false, true}) {
      const auto result = hqq_quantize(weight, {.bits = expected["bits"].get<int64_t>(),
                                                .kappa = last ? 1.0 : 1.01,
                                                .parity_last_zero = last});
      const auto theirs =
          torch::tensor(expected[last ? "last" : "best"].get<std::vector<float>>()).view({12, 2});
      const auto difference = (result.grid.zero - theirs).abs();
      num_moved += (difference > 2e-4).sum().item<int64_t>();
      EXPECT_LT(difference.max().item<double>(), 1.02 / 64)
          << expected["size"] << ", " << expected["bits"] << " bits, last " << last;
    }
  }
  EXPECT_EQ(num_moved, 1);  // of 384
}

}  // namespace
}  // namespace assay
