#include "compress/awq.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "base/error.h"
#include "base/thread_pool.h"
#include "compress/awq_clip.h"
#include "compress/awq_modules.h"

namespace assay {
namespace {

constexpr AwqQuantizerConfig kThreeBit{.bits = 3, .group_size = 16};

ModelConfig model_config(int64_t num_key_value_heads) {
  ModelConfig config;
  config.hidden_size = 64;
  config.intermediate_size = 144;
  config.num_attention_heads = 4;
  config.num_key_value_heads = num_key_value_heads;
  config.head_dim = 16;
  return config;
}

BlockWeights random_block(const ModelConfig& config, uint64_t seed) {
  at::manual_seed(seed);
  const int64_t hidden = config.hidden_size, inner = config.intermediate_size,
                kv = config.num_key_value_heads * config.head_dim;
  const auto linear = [](int64_t out, int64_t in) {
    return torch::randn({out, in}) / std::sqrt(static_cast<double>(in));
  };
  BlockWeights weights;
  // A few channels count for more, as in language models.
  weights.input_layernorm = torch::where(torch::rand({hidden}) < 0.1, 8.0, 1.0).to(torch::kFloat);
  weights.post_attention_layernorm = torch::rand({hidden}).to(torch::kFloat) + 0.5;
  weights.linears = {
      {"self_attn.q_proj", linear(hidden, hidden)}, {"self_attn.k_proj", linear(kv, hidden)},
      {"self_attn.v_proj", linear(kv, hidden)},     {"self_attn.o_proj", linear(hidden, hidden)},
      {"mlp.gate_proj", linear(inner, hidden)},     {"mlp.up_proj", linear(inner, hidden)},
      {"mlp.down_proj", linear(hidden, inner)}};
  return weights;
}

void add_biases_and_head_norms(BlockWeights& weights, const ModelConfig& config) {
  for (const auto& [name, weight] : weights.linears)
    weights.biases[name] = torch::randn({weight.size(0)});
  weights.head_norms = {torch::rand({config.head_dim}) + 0.5, torch::rand({config.head_dim}) + 0.5};
  weights.window = 11;
}

// The same sequences of 30 tokens, `together` a batch.
std::vector<CalibrationBatch> batches(const ModelConfig& config, int64_t together) {
  constexpr int64_t kSequences = 24, kRows = 30;
  at::manual_seed(99);
  const auto hidden = torch::randn({kSequences * kRows, config.hidden_size});
  std::vector<CalibrationBatch> result;
  for (int64_t first = 0; first < kSequences; first += together) {
    CalibrationBatch batch;
    const auto count = static_cast<size_t>(together);
    batch.forest = forest_of_sequences({count, std::vector<int32_t>(kRows, 0)});
    batch.sequence_rows.assign(count, kRows);
    batch.hidden = hidden.narrow(0, first * kRows, together * kRows).contiguous();
    result.push_back(std::move(batch));
  }
  return result;
}

at::Tensor output_of(const BlockWeights& weights, const ModelConfig& config) {
  const auto all = batches(config, 24);
  return block_forward(dense_block(weights), config, all[0].forest, all[0].hidden);
}

BlockWeights quantized_weights(const AwqBlock& block) {
  BlockWeights weights{block.input_layernorm, block.post_attention_layernorm, {}};
  for (const auto& [name, linear] : block.linears) weights.linears[name] = linear.values;
  return weights;
}

double change(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).square().to(at::kDouble).mean().item<double>();
}

TEST(AwqBlock, FoldingLeavesTheOutputWhatItWas) {
  for (const int64_t kv_heads : {4, 2}) {
    SCOPED_TRACE(kv_heads);
    const auto config = model_config(kv_heads);
    auto weights = random_block(config, 1);
    if (kv_heads == 4) add_biases_and_head_norms(weights, config);
    const auto pairs = awq_block(weights, config, batches(config, 8), {kThreeBit}).pairs;
    // v -> o only where every query head has its own value head.
    ASSERT_EQ(pairs.size(), kv_heads == 4 ? 4u : 3u);
    const auto before = output_of(weights, config);
    const auto folded = awq_fold(weights, pairs);
    const double relative = std::sqrt(change(output_of(folded, config), before) /
                                      before.square().mean().item<double>());
    EXPECT_LT(relative, 1e-5);
    int64_t moved = 0;
    for (const AwqPair& pair : pairs) moved += pair.search.point > 0;
    EXPECT_GT(moved, 0);
    EXPECT_FALSE(at::equal(folded.input_layernorm, weights.input_layernorm));
  }
}

TEST(AwqBlock, WithoutBothSearchesItIsRoundingToNearest) {
  const auto config = model_config(2);
  const auto weights = random_block(config, 2);
  const auto block = awq_block(weights, config, {}, {kThreeBit, false, 0, false, false});
  EXPECT_TRUE(block.pairs.empty());
  EXPECT_TRUE(at::equal(block.input_layernorm, weights.input_layernorm));
  for (const auto& [name, weight] : weights.linears) {
    const auto grid = fit_awq_grid(weight, kThreeBit);
    EXPECT_TRUE(at::equal(block.linears.at(name).codes, quantize(weight, grid))) << name;
  }
}

// The whole of steps A to D once more from the functions of each step, in the order of the paper's
// program.
TEST(AwqBlock, IsTheStepsInTheirOrder) {
  const auto config = model_config(4);
  const auto weights = random_block(config, 3);
  const auto all = batches(config, 24);
  std::map<std::string_view, at::Tensor> inputs;
  block_inputs(dense_block(weights), config, all[0].forest, all[0].hidden,
               [&](std::string_view name, const at::Tensor& x) { inputs[name] = x.clone(); });
  const auto& w = weights.linears;
  const auto rule = AwqScaleRule::kInputs;
  const auto block = awq_block(weights, config, all, {kThreeBit});

  const AttentionModule attention{w.at("self_attn.q_proj"),      w.at("self_attn.k_proj"),
                                  w.at("self_attn.v_proj"),      w.at("self_attn.o_proj"),
                                  inputs.at("self_attn.q_proj"), inputs.at("self_attn.o_proj"),
                                  all[0].sequence_rows};
  const MlpModule mlp{w.at("mlp.gate_proj"), w.at("mlp.up_proj"), w.at("mlp.down_proj"),
                      inputs.at("mlp.gate_proj"), inputs.at("mlp.down_proj")};
  const auto s_qkv = search_attention_scale(attention, config, rule, kThreeBit).scale;
  const auto s_o =
      search_linear_scale(w.at("self_attn.o_proj"), inputs.at("self_attn.o_proj"), rule, kThreeBit)
          .scale;
  const auto s_up = search_mlp_scale(mlp, rule, kThreeBit).scale;
  const auto s_down =
      search_linear_scale(w.at("mlp.down_proj"), inputs.at("mlp.down_proj"), rule, kThreeBit).scale;
  EXPECT_TRUE(at::equal(block.input_layernorm, weights.input_layernorm / s_qkv));
  EXPECT_TRUE(at::equal(block.post_attention_layernorm, weights.post_attention_layernorm / s_up));

  const auto expect = [&](std::string_view name, const at::Tensor& folded, const at::Tensor& x) {
    SCOPED_TRACE(name);
    auto weight = folded;
    if (x.defined()) {
      const auto steps = awq_clip_steps(weight, awq_clip_sample(x), kThreeBit);
      weight = awq_clip(weight, awq_clip_bounds(weight, steps, kThreeBit), kThreeBit);
      EXPECT_TRUE(at::equal(block.linears.at(name).clip_steps, steps));
    } else {
      EXPECT_FALSE(block.linears.at(name).clip_steps.defined());
    }
    const auto grid = fit_awq_grid(weight, kThreeBit);
    EXPECT_TRUE(at::equal(block.linears.at(name).codes, quantize(weight, grid)));
    EXPECT_TRUE(
        at::equal(block.linears.at(name).values, dequantize(block.linears.at(name).codes, grid)));
  };
  expect("self_attn.q_proj", w.at("self_attn.q_proj") * s_qkv, {});
  expect("self_attn.k_proj", w.at("self_attn.k_proj") * s_qkv, {});
  expect("self_attn.v_proj", w.at("self_attn.v_proj") * s_qkv / s_o.unsqueeze(1),
         inputs.at("self_attn.v_proj") / s_qkv);
  expect("self_attn.o_proj", w.at("self_attn.o_proj") * s_o, inputs.at("self_attn.o_proj") / s_o);
  expect("mlp.gate_proj", w.at("mlp.gate_proj") * s_up, inputs.at("mlp.gate_proj") / s_up);
  expect("mlp.up_proj", w.at("mlp.up_proj") * s_up / s_down.unsqueeze(1),
         inputs.at("mlp.up_proj") / s_up);
  expect("mlp.down_proj", w.at("mlp.down_proj") * s_down, inputs.at("mlp.down_proj") / s_down);
}

TEST(AwqBlock, ChangesTheOutputLessThanRoundingToNearest) {
  for (const uint64_t seed : {4u, 5u}) {
    const auto config = model_config(2);
    const auto weights = random_block(config, seed);
    const auto dense = output_of(weights, config);
    const auto error = [&](bool scale, bool clip) {
      const AwqConfig awq{kThreeBit, false, 0, scale, clip};
      return change(
          output_of(quantized_weights(awq_block(weights, config, batches(config, 8), awq)), config),
          dense);
    };
    const double nearest = error(false, false), scaled = error(true, false),
                 awq = error(true, true);
    EXPECT_LT(scaled, nearest);
    EXPECT_LT(awq, scaled);
  }
}

TEST(AwqBlock, DependsNeitherOnThreadsNorOnBatches) {
  const auto config = model_config(4);
  const auto weights = random_block(config, 7);
  const int64_t threads = num_threads();
  set_num_threads(1);
  const auto one = awq_block(weights, config, batches(config, 24), {kThreeBit});
  set_num_threads(2);
  const auto two = awq_block(weights, config, batches(config, 3), {kThreeBit});
  set_num_threads(threads);
  for (size_t i = 0; i < one.pairs.size(); ++i) {
    EXPECT_EQ(one.pairs[i].search.losses, two.pairs[i].search.losses);
  }
  for (const auto& [name, linear] : one.linears) {
    EXPECT_TRUE(at::equal(linear.values, two.linears.at(name).values)) << name;
  }
}

TEST(AwqModules, SearchesAgreeWithTheirDefinitions) {
  for (const AwqScaleRule rule : {AwqScaleRule::kInputs, AwqScaleRule::kDuo}) {
    const auto config = model_config(2);
    const auto weights = random_block(config, 8);
    const auto all = batches(config, 24);
    std::map<std::string_view, at::Tensor> x;
    block_inputs(dense_block(weights), config, all[0].forest, all[0].hidden,
                 [&](std::string_view name, const at::Tensor& in) { x[name] = in.clone(); });
    const auto& w = weights.linears;
    const AttentionModule attention{w.at("self_attn.q_proj"), w.at("self_attn.k_proj"),
                                    w.at("self_attn.v_proj"), w.at("self_attn.o_proj"),
                                    x.at("self_attn.q_proj"), x.at("self_attn.o_proj"),
                                    all[0].sequence_rows};
    const MlpModule mlp{w.at("mlp.gate_proj"), w.at("mlp.up_proj"), w.at("mlp.down_proj"),
                        x.at("mlp.gate_proj"), x.at("mlp.down_proj")};
    const auto expect_equal = [](const ScaleChoice& fast, const ScaleChoice& plain) {
      EXPECT_EQ(fast.search.point, plain.search.point);
      EXPECT_NEAR(fast.search.loss / plain.search.loss, 1, 1e-5);  // float32 outputs
    };
    expect_equal(search_attention_scale(attention, config, rule, kThreeBit),
                 search_attention_scale_plain(attention, config, rule, kThreeBit));
    expect_equal(search_mlp_scale(mlp, rule, kThreeBit),
                 search_mlp_scale_plain(mlp, rule, kThreeBit));
  }
}

TEST(AwqBlock, NamesWhatIsNotFinite) {
  const auto config = model_config(2);
  auto weights = random_block(config, 10);
  auto bad = batches(config, 24);
  bad[0].hidden[3][5] = INFINITY;
  try {
    awq_block(weights, config, bad, {});
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind, ErrorKind::kBadInput);
    EXPECT_THAT(e.what(), testing::HasSubstr("awq: inputs has a value that is not finite"));
  }
  EXPECT_THROW(awq_block(weights, config, {}, {}), Error);  // no calibration
  weights.linears.erase("mlp.up_proj");
  EXPECT_THROW(awq_block(weights, config, batches(config, 24), {}), Error);
}

}  // namespace
}  // namespace assay
