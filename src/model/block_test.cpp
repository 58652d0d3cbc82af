#include "model/block.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <map>

namespace assay {
namespace {

// The parts of a block give what the whole block hands to o_proj and down_proj, bit by bit.
TEST(BlockParts, AreThoseOfTheWholeBlock) {
  ModelConfig config;
  config.hidden_size = 48;
  config.intermediate_size = 80;
  config.num_attention_heads = 6;
  config.num_key_value_heads = 2;
  config.head_dim = 8;
  at::manual_seed(1);
  const auto linear = [](int64_t out, int64_t in) { return Linear(torch::randn({out, in}) * 0.2); };
  const Block block{torch::rand({48}) + 0.5, torch::rand({48}) + 0.5, linear(48, 48),
                    linear(16, 48),          linear(16, 48),          linear(48, 48),
                    linear(80, 48),          linear(80, 48),          linear(48, 80)};
  const auto forest = forest_of_sequences(
      {std::vector<int32_t>(5, 0), std::vector<int32_t>(1, 0), std::vector<int32_t>(9, 0)});
  std::map<std::string_view, at::Tensor> inputs;
  block_inputs(block, config, forest, torch::randn({15, 48}),
               [&](std::string_view name, const at::Tensor& x) { inputs[name] = x.clone(); });
  const ForestLayout layout(config, forest);
  EXPECT_TRUE(at::equal(attention_output({block.q_proj, block.k_proj, block.v_proj}, config, layout,
                                         inputs.at("self_attn.q_proj")),
                        inputs.at("self_attn.o_proj")));
  EXPECT_TRUE(at::equal(gated_output(block.gate_proj, block.up_proj, inputs.at("mlp.gate_proj"),
                                     kernels::Activation::kSilu),
                        inputs.at("mlp.down_proj")));
}

}  // namespace
}  // namespace assay
