#include "compress/awq_clip.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "base/error.h"
#include "base/thread_pool.h"

namespace assay {
namespace {

// One group, symmetric with 2 bit: scale = m, codes -2 .. 1, so values -m 0 m (and -2m, unused).
// w = [1, 0.6], m = 1 - i / 20: Q = [m, m] while m / 2 < 0.6. Only the second channel is active, so
// err = (m - 0.6)^2: least at m = 0.6, i = 8; m = 0.55 (i = 9) clamps 0.6 as well.
TEST(AwqClip, MatchesHandComputedCase) {
  const auto weight = torch::tensor({{1.0f, 0.6f}}), inputs = torch::tensor({{0.0f, 1.0f}});
  const AwqQuantizerConfig config{.bits = 2, .group_size = 2, .sym = true};
  for (const auto& steps :
       {awq_clip_steps(weight, inputs, config), awq_clip_steps_plain(weight, inputs, config)}) {
    EXPECT_EQ(steps.item<int>(), 8);
    const auto bounds = awq_clip_bounds(weight, steps, config);
    EXPECT_FLOAT_EQ(bounds.item<float>(), 0.6f);
    EXPECT_TRUE(at::allclose(awq_clip(weight, bounds, config), torch::full({1, 2}, 0.6f)));
  }
}

// Inputs that are silent make every error 0: the whole range stays.
TEST(AwqClip, OfEqualErrorsTheLargestBoundStays) {
  at::manual_seed(1);
  const auto weight = torch::randn({3, 32});
  const auto steps = awq_clip_steps(weight, torch::zeros({4, 32}), {.group_size = 16});
  EXPECT_TRUE(at::equal(steps, torch::zeros({3, 2}, torch::kByte)));
  const auto bounds = awq_clip_bounds(weight, steps, {.group_size = 16});
  EXPECT_TRUE(at::equal(awq_clip(weight, bounds, {.group_size = 16}), weight));
}

TEST(AwqClip, SampleIsAStride) {
  const auto inputs = torch::arange(2000).to(torch::kFloat).unsqueeze(1);
  EXPECT_EQ(awq_clip_sample(inputs).size(0), 667);  // floor(2000 / 512) = 3
  EXPECT_EQ(awq_clip_sample(inputs)[1].item<float>(), 3);
  EXPECT_EQ(awq_clip_sample(inputs.narrow(0, 0, 1023)).size(0), 1023);
  EXPECT_EQ(awq_clip_sample(inputs.narrow(0, 0, 300)).size(0), 300);
}

TEST(AwqClip, GramFormAgreesWithTheTokens) {
  for (const uint64_t seed : {1u, 2u, 3u}) {
    for (const int64_t group : {-1, 16, 48}) {  // 48: a tail of 200 - 4 * 48 = 8
      for (const bool sym : {false, true}) {
        SCOPED_TRACE(testing::Message() << seed << ' ' << group << ' ' << sym);
        at::manual_seed(seed);
        const auto weight = torch::randn({70, 200}).pow(3);  // heavy tails: clipping pays
        const auto inputs = torch::randn({90, 200}) + torch::randn({90, 1});
        const AwqQuantizerConfig config{.bits = 3, .group_size = group, .sym = sym};
        const auto fast = awq_clip_steps(weight, inputs, config);
        const auto plain = awq_clip_steps_plain(weight, inputs, config);
        // float32 against float64: only errors equal to some 1e-6 may change places.
        EXPECT_LE((fast != plain).sum().item<int64_t>(), fast.numel() / 500);
        EXPECT_GT((fast > 0).sum().item<int64_t>(), fast.numel() / 4);
        EXPECT_LT(fast.max().item<int>(), kAwqClipSteps);
      }
    }
  }
}

TEST(AwqClip, DoesNotDependOnTheNumberOfThreads) {
  at::manual_seed(4);
  const auto weight = torch::randn({210, 200}), inputs = torch::randn({90, 200});
  const int64_t threads = num_threads();
  set_num_threads(1);
  const auto one = awq_clip_steps(weight, inputs, {.group_size = 48});
  set_num_threads(2);
  const auto two = awq_clip_steps(weight, inputs, {.group_size = 48});
  set_num_threads(threads);
  EXPECT_TRUE(at::equal(one, two));
}

TEST(AwqClip, RefusesWhatDoesNotFit) {
  const auto weight = torch::ones({2, 8});
  EXPECT_THROW(awq_clip_steps(weight, torch::ones({3, 7}), {}), Error);
  EXPECT_THROW(awq_clip_steps(weight, torch::full({3, 8}, NAN), {}), Error);
  EXPECT_THROW(awq_clip_bounds(weight, torch::zeros({2, 2}, torch::kByte), {}), Error);
  EXPECT_THROW(awq_clip(weight, torch::ones({2, 2}), {}), Error);
}

}  // namespace
}  // namespace assay
