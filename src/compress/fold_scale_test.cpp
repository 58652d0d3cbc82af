#include "compress/fold_scale.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "base/error.h"

namespace assay {
namespace {

TEST(FoldScale, ByHand) {
  const auto scale = torch::tensor({2.0f, 4.0f});
  EXPECT_TRUE(
      at::equal(fold_into_norm(torch::tensor({1.0f, 1.0f}), scale), torch::tensor({0.5f, 0.25f})));
  const auto weight = torch::tensor({{8.0f, 8.0f}, {8.0f, 8.0f}, {8.0f, 8.0f}});
  // The last two rows of three, as V in a fused QKV.
  EXPECT_TRUE(at::equal(fold_into_last_rows(weight, scale),
                        torch::tensor({{8.0f, 8.0f}, {4.0f, 4.0f}, {2.0f, 2.0f}})));
  EXPECT_TRUE(
      at::equal(scale_columns(weight, scale), torch::tensor({{16.0f, 32.0f}}).expand({3, 2})));
  EXPECT_EQ(weight.sum().item<float>(), 48);  // the arguments stay
}

TEST(FoldScale, ConsumerOfProducerStaysWhatItWas) {
  at::manual_seed(1);
  const auto producer = torch::randn({6, 5}), consumer = torch::randn({3, 6});
  const auto scale = torch::rand({6}) + 0.1;
  const auto before = consumer.matmul(producer);
  const auto after = scale_columns(consumer, scale).matmul(fold_into_last_rows(producer, scale));
  EXPECT_TRUE(at::allclose(after, before, 1e-5, 1e-5));
}

TEST(FoldScale, RefusesAScaleThatIsNoScale) {
  const auto norm = torch::ones({2});
  EXPECT_THROW(fold_into_norm(norm, torch::tensor({1.0f, 0.0f})), Error);
  EXPECT_THROW(fold_into_norm(norm, torch::tensor({1.0f, NAN})), Error);
  EXPECT_THROW(fold_into_norm(norm, torch::ones({3})), Error);
  EXPECT_THROW(fold_into_last_rows(torch::ones({1, 4}), norm), Error);
  EXPECT_THROW(scale_columns(torch::ones({1, 4}), norm), Error);
}

}  // namespace
}  // namespace assay
