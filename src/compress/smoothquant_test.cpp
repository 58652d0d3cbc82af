#include "compress/smoothquant.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "base/error.h"
#include "base/thread_pool.h"

namespace assay {
namespace {

// T1: W with column maxima .5 1 .9 .8, tokens with maxima 1 2 2 1.
const at::Tensor kWeight = torch::tensor({{0.5f, -1.0f, 0.2f, 0.8f}, {-0.3f, 0.4f, 0.9f, -0.1f}});
const at::Tensor kTokens =
    torch::tensor({{1.0f, 0.5f, -2.0f, 0.0f}, {0.5f, 1.0f, 1.0f, 1.0f}, {-1.0f, 2.0f, 0.5f, 0.5f}});

at::Tensor scale_of(double alpha) {
  return smoothing_scale(kTokens.abs().amax(0), {&kWeight, 1}, {alpha});
}

// sqrt(1 / .5), sqrt(2 / 1), sqrt(2 / .9), sqrt(1 / .8)
TEST(SmoothQuant, MatchesHandComputedCase) {
  EXPECT_TRUE(at::allclose(scale_of(0.5),
                           torch::tensor({1.414214f, 1.414214f, 1.490712f, 1.118034f}), 1e-6));
  EXPECT_TRUE(at::allclose(scale_of(0), 1 / torch::tensor({0.5f, 1.0f, 0.9f, 0.8f})));
  EXPECT_TRUE(at::allclose(scale_of(1), torch::tensor({1.0f, 2.0f, 2.0f, 1.0f})));
}

TEST(SmoothQuant, HalfWayMaximaOfBothSidesAreEqual) {
  at::manual_seed(1);
  const auto tokens = torch::randn({40, 33}) * torch::rand({33}) * 20;
  const std::vector<at::Tensor> weights{torch::randn({9, 33}), torch::randn({5, 33})};
  const auto scale = smoothing_scale(tokens.abs().amax(0), weights, {0.5});
  const auto inputs = (tokens / scale).abs().amax(0);
  const auto columns = (at::cat(weights) * scale).abs().amax(0);
  EXPECT_TRUE(at::allclose(inputs, columns, 1e-5));
}

// A channel that is never active, or never weighted: 0^.5 / .5 -> 1e-5; 1 / sqrt(1e-5) = 316.
TEST(SmoothQuant, SilentChannelsAreHeldAtTheLeast) {
  const auto weight = torch::tensor({{0.25f, 0.0f}});
  const auto scale = smoothing_scale(torch::tensor({0.0f, 1.0f}), {&weight, 1}, {0.5});
  EXPECT_TRUE(at::allclose(scale, torch::tensor({1e-5f, 316.22777f}), 1e-6));
}

// Row 1: scale 2 / 127: -1 -> -63.5, a tie that goes to the even -64; 0.5 -> 31.75 -> 32.
TEST(SmoothQuant, EightBitRowsByHand) {
  const auto rows = quantize_rows_int8(torch::tensor({{2.0f, -1.0f, 0.5f}, {0.0f, 0.0f, 0.0f}}));
  EXPECT_TRUE(at::equal(rows.codes, torch::tensor({{127, -64, 32}, {0, 0, 0}}).to(at::kChar)))
      << rows.codes;
  EXPECT_TRUE(at::allclose(rows.scale, torch::tensor({2.0f, 1e-5f}) / 127));
  EXPECT_TRUE(at::equal(rows.values, rows.codes.to(at::kFloat) * rows.scale.unsqueeze(1)));
}

TEST(SmoothQuant, EightBitRowsAgreeWithTheDefinitionForAnyThreads) {
  at::manual_seed(2);
  const auto x = torch::randn({300, 200});
  const auto scale = x.abs().amax(1, true).clamp_min(1e-5) / 127;
  const int64_t threads = num_threads();
  for (const int64_t count : {1, 2}) {
    set_num_threads(count);
    const auto rows = quantize_rows_int8(x);
    EXPECT_TRUE(at::equal(rows.values, (x / scale).round() * scale));
    EXPECT_LE((rows.values - x).abs().max().item<float>(), scale.max().item<float>() * 0.50001f);
  }
  set_num_threads(threads);
}

class SmoothBlock : public testing::Test {
 protected:
  SmoothBlock() {
    config_.hidden_size = 48;
    config_.intermediate_size = 80;
    config_.num_attention_heads = 6;
    config_.num_key_value_heads = 2;
    config_.head_dim = 8;
    at::manual_seed(3);
    const auto linear = [](int64_t out, int64_t in) { return torch::randn({out, in}) * 0.2; };
    weights_.input_layernorm = torch::where(torch::rand({48}) < 0.1, 30.0, 1.0).to(torch::kFloat);
    weights_.post_attention_layernorm = torch::rand({48}) + 0.5;
    weights_.linears = {{"self_attn.q_proj", linear(48, 48)}, {"self_attn.k_proj", linear(16, 48)},
                        {"self_attn.v_proj", linear(16, 48)}, {"self_attn.o_proj", linear(48, 48)},
                        {"mlp.gate_proj", linear(80, 48)},    {"mlp.up_proj", linear(80, 48)},
                        {"mlp.down_proj", linear(48, 80)}};
    for (int i = 0; i < 2; ++i) {
      auto& batch = batches_.emplace_back();
      batch.forest = forest_of_sequences({2, std::vector<int32_t>(10, 0)});
      batch.sequence_rows = {10, 10};
      batch.hidden = torch::randn({20, 48});
    }
  }

  static Block block_of(const BlockWeights& weights) {
    const auto linear = [&](const char* name) { return Linear(weights.linears.at(name)); };
    return {weights.input_layernorm,    weights.post_attention_layernorm,
            linear("self_attn.q_proj"), linear("self_attn.k_proj"),
            linear("self_attn.v_proj"), linear("self_attn.o_proj"),
            linear("mlp.gate_proj"),    linear("mlp.up_proj"),
            linear("mlp.down_proj")};
  }

  at::Tensor output_of(const BlockWeights& weights) const {
    return block_forward(block_of(weights), config_, batches_[0].forest, batches_[0].hidden);
  }

  ModelConfig config_;
  BlockWeights weights_;
  std::vector<CalibrationBatch> batches_;
};

TEST_F(SmoothBlock, UnquantizedOutputIsUnchanged) {
  const auto maxima = block_input_maxima(block_of(weights_), config_, batches_);
  const auto before = output_of(weights_);
  for (const double alpha : {0.0, 0.5, 0.85, 1.0}) {
    const auto smoothed = smooth_block(weights_, maxima, {alpha});
    const auto change = output_of(smoothed.weights) - before;
    EXPECT_LT(change.norm().item<double>(), 1e-5 * before.norm().item<double>());
    EXPECT_TRUE(at::equal(smoothed.weights.linears.at("mlp.down_proj"),
                          weights_.linears.at("mlp.down_proj")));
    EXPECT_TRUE(at::equal(smoothed.weights.input_layernorm,
                          weights_.input_layernorm / smoothed.attention_scale));
  }
}

TEST_F(SmoothBlock, MaximaAreThoseOfAllTokens) {
  const auto maxima = block_input_maxima(block_of(weights_), config_, batches_);
  at::Tensor expected = at::zeros({80});
  for (const auto& batch : batches_) {
    block_inputs(block_of(weights_), config_, batch.forest, batch.hidden,
                 [&](std::string_view name, const at::Tensor& x) {
                   if (name != "mlp.down_proj") return;
                   for (int64_t row = 0; row < x.size(0); ++row) {
                     expected = at::maximum(expected, x[row].abs());
                   }
                 });
  }
  EXPECT_TRUE(at::equal(maxima.at("mlp.down_proj"), expected));
  EXPECT_TRUE(at::equal(maxima.at("self_attn.q_proj"), maxima.at("self_attn.v_proj")));
}

// Outliers in the input of q, k and v cost the other channels their digits: smoothed, 8 bits of
// both lose less.
TEST_F(SmoothBlock, EightBitsLoseLessOnceSmoothed) {
  at::Tensor normed;
  const auto error = [&](const BlockWeights& weights) {
    block_inputs(block_of(weights), config_, batches_[0].forest, batches_[0].hidden,
                 [&](std::string_view name, const at::Tensor& x) {
                   if (name == "self_attn.q_proj") normed = x.clone();
                 });
    const auto& weight = weights.linears.at("self_attn.q_proj");
    const auto eight =
        quantize_rows_int8(normed).values.matmul(quantize_rows_int8(weight).values.t());
    return (eight - normed.matmul(weight.t())).square().mean().item<double>();
  };
  const auto maxima = block_input_maxima(block_of(weights_), config_, batches_);
  EXPECT_LT(error(smooth_block(weights_, maxima, {0.5}).weights), 0.5 * error(weights_));
}

TEST_F(SmoothBlock, RefusesWhatHasNoScale) {
  EXPECT_THROW(scale_of(1.5), Error);
  EXPECT_THROW(smoothing_scale(torch::tensor({NAN, 1.0f, 1.0f, 1.0f}), {&kWeight, 1}, {}), Error);
  EXPECT_THROW(smoothing_scale(torch::ones({3}), {&kWeight, 1}, {}), Error);
  EXPECT_THROW(quantize_rows_int8(torch::full({1, 2}, INFINITY)), Error);
  batches_[1].hidden[4][7] = NAN;
  try {
    block_input_maxima(block_of(weights_), config_, batches_);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("self_attn.q_proj: smoothquant: an input takes"));
  }
  EXPECT_THROW(smooth_block(weights_, {}, {}), Error);
}

}  // namespace
}  // namespace assay
