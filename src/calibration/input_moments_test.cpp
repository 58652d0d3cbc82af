#include "calibration/input_moments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "base/thread_pool.h"
#include "model/tiny_model.h"

namespace assay {
namespace {

// Sequences (1, 3) and (5): sums 4 and 5, mean 4.5; squares 1 + 9 + 25 = 35, norm sqrt(17.5);
// within the first (1 - 2)^2 + (3 - 2)^2 = 2, within the second 0: 2 / 3 tokens.
TEST(InputMoments, MatchHandComputedCase) {
  const std::vector<int64_t> rows{2, 1};
  InputMoments gathered;
  gathered.add(torch::tensor({{1.0f}, {3.0f}, {5.0f}}), rows);
  const auto moments = gathered.moments();
  EXPECT_FLOAT_EQ(moments.mean.item<float>(), 4.5f);
  EXPECT_FLOAT_EQ(moments.norm.item<float>(), std::sqrt(17.5f));
  EXPECT_FLOAT_EQ(moments.variance.item<float>(), 2.0f / 3.0f);
}

TEST(InputMoments, AgreeWithTheDefinitionForAnyCallsAndThreads) {
  at::manual_seed(1);
  const auto tokens = torch::randn({600, 200}) + torch::randn({200});
  const auto moments_of = [&](int64_t calls) {
    InputMoments gathered;
    const std::vector<int64_t> rows(static_cast<size_t>(6 / calls), 100);
    for (int64_t i = 0; i < calls; ++i)
      gathered.add(tokens.narrow(0, i * 600 / calls, 600 / calls), rows);
    return gathered.moments();
  };
  const int64_t before = num_threads();
  set_num_threads(1);
  const auto one = moments_of(1);
  set_num_threads(2);
  for (const int64_t calls : {1, 3}) {
    const auto other = moments_of(calls);
    EXPECT_TRUE(at::equal(one.norm, other.norm));
    EXPECT_TRUE(at::equal(one.mean, other.mean));
    EXPECT_TRUE(at::equal(one.variance, other.variance));
  }
  set_num_threads(before);
  InputNorms norms;
  norms.add(tokens, std::vector<int64_t>(6, 100));
  EXPECT_TRUE(at::equal(one.norm, norms.norms()));
  const auto by_sequence = tokens.to(at::kDouble).view({6, 100, 200});
  EXPECT_TRUE(at::allclose(one.mean.to(at::kDouble), by_sequence.sum({0, 1}) / 6, 1e-6, 1e-6));
  EXPECT_TRUE(at::allclose(one.variance.to(at::kDouble),
                           by_sequence.var(1, /*unbiased=*/false).mean(0), 1e-6));
}

TEST(InputMoments, RefuseWhatIsNotFinite) {
  const std::vector<int64_t> rows{2};
  InputMoments gathered;
  gathered.add(torch::tensor({{1.0f, 2.0f}, {1.0f, NAN}}), rows);
  try {
    gathered.moments();
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "input channel 1 takes a value that is not finite");
  }
  EXPECT_THROW(InputMoments().moments(), Error);
  EXPECT_THROW(InputMoments().add(torch::ones({3, 2}), rows), Error);
}

TEST(InputMoments, OfABlockBelongToItsLinears) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("assay_moments_" + std::to_string(::getpid()));
  write_tiny_model(folder);
  const auto checkpoint = Checkpoint::open(folder);
  const Block block = load_block(checkpoint, 0);
  const auto batches =
      embed_sequences(checkpoint.tensor("model.embed_tokens.weight"), checkpoint.config(),
                      {{5, 6, 7, 8}, {9, 10}, {11, 12, 13}}, 6);
  const auto moments = block_input_moments(block, checkpoint.config(), batches);
  const auto norms = block_input_norms(block, checkpoint.config(), batches, NormSum::kDouble);
  ASSERT_EQ(moments.size(), 7u);
  for (const auto& [linear, of_linear] : moments)
    EXPECT_TRUE(at::equal(of_linear.norm, norms.at(linear))) << linear;
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace assay
