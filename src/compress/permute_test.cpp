#include "compress/permute.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <string>

#include "base/error.h"

namespace assay {
namespace {

const std::string kLayer = "model.layers.3.";

// silu(x Wg^T) * (x Wu^T) Wd^T in float64: an MLP of a block.
at::Tensor mlp(const at::Tensor& x, const at::Tensor& gate, const at::Tensor& up,
               const at::Tensor& down) {
  return (at::silu(x.matmul(gate.t())) * x.matmul(up.t())).matmul(down.t());
}

TEST(SeededOrder, IsAPermutationThatSeedAndStreamChoose) {
  const auto order = seeded_order(100, 0, 0);
  EXPECT_TRUE(at::equal(std::get<0>(order.sort()), at::arange(100)));
  EXPECT_TRUE(at::equal(order, seeded_order(100, 0, 0)));
  EXPECT_FALSE(at::equal(order, seeded_order(100, 1, 0)));
  EXPECT_FALSE(at::equal(order, seeded_order(100, 0, 1)));
}

// Each of 4 units comes first in about a quarter of 4000 orders: 1000 +- 5 standard deviations
// of 27.
TEST(SeededOrder, IsUniform) {
  std::vector<int> first(4);
  for (uint64_t seed = 0; seed < 4000; ++seed)
    ++first[static_cast<size_t>(seeded_order(4, seed, 0)[0].item<int64_t>())];
  for (const int count : first) EXPECT_NEAR(count, 1000, 137);
}

// The outputs of a permuted MLP are the old ones in the new order of hidden channels.
TEST(PermuteTensor, KeepsTheFunctionOfAnMlp) {
  at::manual_seed(1);
  const auto f64 = at::TensorOptions(at::kDouble);
  const auto gate = at::randn({12, 6}, f64), up = at::randn({12, 6}, f64),
             down = at::randn({6, 12}, f64);
  const auto x = at::randn({5, 6}, f64);
  const auto before = mlp(x, gate, up, down);
  for (const PermuteConfig& config : {PermuteConfig{},
                                      {.units = PermutedUnits::kMlp},
                                      {.units = PermutedUnits::kBoth, .seed = 9}}) {
    const auto new_gate = permute_tensor(kLayer + "mlp.gate_proj.weight", gate, config);
    const auto new_up = permute_tensor(kLayer + "mlp.up_proj.weight", up, config);
    const auto new_down = permute_tensor(kLayer + "mlp.down_proj.weight", down, config);
    EXPECT_FALSE(at::equal(new_gate, gate));
    const auto order =
        config.units != PermutedUnits::kMlp ? seeded_order(6, config.seed, 0) : at::arange(6);
    const auto after = mlp(x.index_select(1, order), new_gate, new_up, new_down);
    EXPECT_TRUE(at::allclose(after, before.index_select(1, order), 1e-12, 1e-12));
  }
}

TEST(PermuteTensor, MovesTheAxesThatCarryHiddenChannelsAndNoOther) {
  const auto order = seeded_order(6, 0, 0);
  const auto square = torch::randn({6, 6}), vector = torch::randn({6});
  for (const char* reads :
       {"self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"}) {
    EXPECT_TRUE(
        at::equal(permute_tensor(kLayer + reads, square, {}), square.index_select(1, order)))
        << reads;
  }
  EXPECT_TRUE(at::equal(permute_tensor(kLayer + "self_attn.o_proj.weight", square, {}),
                        square.index_select(0, order)));
  EXPECT_TRUE(at::equal(permute_tensor("model.embed_tokens.weight", square, {}),
                        square.index_select(1, order)));
  EXPECT_TRUE(
      at::equal(permute_tensor("lm_head.weight", square, {}), square.index_select(1, order)));
  for (const std::string& name :
       {kLayer + "input_layernorm.weight", kLayer + "post_attention_layernorm.weight",
        std::string("model.norm.weight")}) {
    EXPECT_TRUE(at::equal(permute_tensor(name, vector, {}), vector.index_select(0, order))) << name;
    EXPECT_TRUE(at::equal(permute_tensor(name, vector, {.units = PermutedUnits::kMlp}), vector))
        << name;
  }
}

TEST(PermuteTensor, RefusesATensorItDoesNotKnow) {
  try {
    permute_tensor("model.layers.0.self_attn.q_extra.weight", torch::ones({4}), {});
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("'model.layers.0.self_attn.q_extra.weight'"));
  }
}

}  // namespace
}  // namespace assay
