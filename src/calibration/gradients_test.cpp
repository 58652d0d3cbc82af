#include "calibration/gradients.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/thread_pool.h"
#include "calibration/gradient_store.h"
#include "io/safetensors.h"
#include "io/safetensors_writer.h"
#include "model/block.h"
#include "model/tiny_model.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// The definition: the whole model in float64 tensor operations.
class SlowModel {
 public:
  explicit SlowModel(const Checkpoint& checkpoint) : config(checkpoint.config()) {
    for (const auto& record : checkpoint.tensors()) {
      auto& weight = weights[record.name] = checkpoint.tensor(record.name).to(at::kDouble).clone();
      if (config.norms_store_minus_one && record.name.ends_with("norm.weight")) weight += 1;
    }
  }

  // What a block adds, normed first where there is a norm of that name.
  at::Tensor output_normed(const at::Tensor& x, const std::string& name) const {
    return weights.contains(name) ? norm(x, name) : x;
  }

  at::Tensor activated(const at::Tensor& x) const {
    const bool is_gelu = config.hidden_act == kernels::Activation::kGeluTanh;
    return is_gelu ? at::gelu(x, "tanh") : x * at::sigmoid(x);
  }

  at::Tensor norm(const at::Tensor& x, const std::string& name) const {
    return weights.at(name) * x * (x.square().mean(1, true) + config.rms_norm_eps).rsqrt();
  }

  at::Tensor linear(const at::Tensor& x, int64_t layer, const std::string& name) const {
    const auto y = x.matmul(weights.at(linear_weight_name(layer, name)).t());
    const auto bias = weights.find(linear_bias_name(layer, name));
    return bias == weights.end() ? y : y + bias->second;
  }

  at::Tensor head_norm(const at::Tensor& x, const std::string& name) const {
    const auto weight = weights.find(name);
    if (weight == weights.end()) return x;
    return weight->second * x * (x.square().mean(2, true) + config.rms_norm_eps).rsqrt();
  }

  // [rows, heads * head_dim] -> [heads, rows, head_dim]
  at::Tensor heads(const at::Tensor& x, int64_t count) const {
    return x.view({x.size(0), count, config.head_dim}).transpose(0, 1);
  }

  // [heads, rows, head_dim], half-split
  at::Tensor rotated(const at::Tensor& x, int64_t window) const {
    const bool is_local = window > 0 && config.local_rope_theta > 0;
    const int64_t half = config.head_dim / 2, rows = x.size(1);
    const auto frequency = torch::tensor(
        is_local
            ? rotary_frequencies(config.head_dim, config.local_rope_theta, {}).inverse
            : rotary_frequencies(config.head_dim, config.rope_theta, config.rope_scaling).inverse);
    const auto angle = at::outer(at::arange(rows, at::kDouble), frequency.to(at::kDouble));
    const auto low = x.narrow(2, 0, half), high = x.narrow(2, half, half);
    return at::cat({low * angle.cos() - high * angle.sin(), high * angle.cos() + low * angle.sin()},
                   2);
  }

  at::Tensor block(const at::Tensor& x, int64_t layer) const {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    const int64_t rows = x.size(0), group = config.num_attention_heads / config.num_key_value_heads;
    const auto in = norm(x, prefix + "input_layernorm.weight");
    const auto turned = [&](const std::string& part, int64_t count) {
      const auto of_heads = heads(linear(in, layer, "self_attn." + part + "_proj"), count);
      return rotated(head_norm(of_heads, prefix + "self_attn." + part + "_norm.weight"),
                     window_of_layer(config, layer));
    };
    const auto q = turned("q", config.num_attention_heads);
    const auto k = turned("k", config.num_key_value_heads).repeat_interleave(group, 0);
    const auto v = heads(linear(in, layer, "self_attn.v_proj"), config.num_key_value_heads)
                       .repeat_interleave(group, 0);
    auto unseen = at::ones({rows, rows}).triu(1);
    if (const int64_t window = window_of_layer(config, layer); window > 0)
      unseen += at::ones({rows, rows}).tril(-window);
    const double divisor = config.query_pre_attn_scalar > 0 ? config.query_pre_attn_scalar
                                                            : static_cast<double>(config.head_dim);
    const auto scores = q.matmul(k.transpose(1, 2)) / std::sqrt(divisor);
    const auto attended = scores.masked_fill(unseen.to(at::kBool), -INFINITY).softmax(-1).matmul(v);
    const auto middle = x + output_normed(linear(attended.transpose(0, 1).reshape({rows, -1}),
                                                 layer, "self_attn.o_proj"),
                                          prefix + "attention_output_norm.weight");
    const auto mlp = norm(middle, prefix + "post_attention_layernorm.weight");
    const auto gate = linear(mlp, layer, "mlp.gate_proj");
    return middle + output_normed(linear(activated(gate) * linear(mlp, layer, "mlp.up_proj"), layer,
                                         "mlp.down_proj"),
                                  prefix + "mlp_output_norm.weight");
  }

  at::Tensor embedded(const std::vector<int32_t>& ids) const {
    return weights.at("model.embed_tokens.weight").index_select(0, at::tensor(ids, at::kLong)) *
           config.embedding_scale;
  }

  at::Tensor loss(const std::vector<int32_t>& ids) const {
    auto x = embedded(ids);
    for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) x = block(x, layer);
    const auto& head =
        weights.at(config.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight");
    const auto logits = norm(x, "model.norm.weight").matmul(head.t());
    const auto targets = at::tensor(ids, at::kLong).narrow(0, 1, x.size(0) - 1);
    const auto all = logits.narrow(0, 0, x.size(0) - 1).log_softmax(-1);
    return -all.gather(1, targets.unsqueeze(1)).mean();
  }

  ModelConfig config;
  std::map<std::string, at::Tensor> weights;
};

std::map<std::string, GradientAggregate> gathered(
    const Checkpoint& checkpoint, const std::vector<std::vector<int32_t>>& sequences,
    const GradientOptions& options = {}) {
  std::map<std::string, GradientAggregate> result;
  aggregate_gradients(
      checkpoint, sequences,
      [&](int64_t layer, std::string_view linear, const GradientAggregate& aggregate) {
        result[linear_weight_name(layer, linear)] = {aggregate.l1.clone(), aggregate.l2.clone()};
      },
      options);
  return result;
}

// Sums over samples of whole-model gradients.
std::map<std::string, GradientAggregate> gathered_slowly(
    SlowModel& model, const std::vector<std::vector<int32_t>>& sequences) {
  std::map<std::string, GradientAggregate> sums;
  for (const auto& ids : sequences) {
    for (int64_t layer = 0; layer < model.config.num_hidden_layers; ++layer) {
      for (const std::string_view linear : block_linear_names()) {
        auto& weight = model.weights.at(linear_weight_name(layer, linear));
        weight = weight.detach().requires_grad_(true);
      }
    }
    model.loss(ids).backward();
    for (const auto& [name, weight] : model.weights) {
      if (!weight.requires_grad()) continue;
      auto& sum = sums[name];
      const auto g = weight.grad();
      sum.l1 = sum.l1.defined() ? sum.l1 + g.abs() : g.abs();
      sum.l2 = sum.l2.defined() ? sum.l2 + g.square() : g.square();
    }
  }
  for (auto& [name, sum] : sums) sum.l2 = sum.l2.sqrt();
  return sums;
}

double largest_difference(const at::Tensor& got, const at::Tensor& expected) {
  return ((got.to(at::kDouble) - expected.to(at::kDouble)).abs().max() / expected.abs().max())
      .item<double>();
}

std::vector<int32_t> some_ids(int64_t count, int64_t seed) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i)
    ids.push_back(static_cast<int32_t>((i * i * 7 + i * seed + seed) % 320));
  return ids;
}

class Gradients : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ =
        new fs::path(fs::temp_directory_path() / ("assay_gradients_" + std::to_string(::getpid())));
    write_tiny_model(*folder_ / "tied", {.seed = 3});
    write_tiny_model(*folder_ / "untied", {.seed = 4,
                                           .hidden_size = 48,
                                           .intermediate_size = 80,
                                           .num_hidden_layers = 3,
                                           .num_attention_heads = 6,
                                           .num_key_value_heads = 2,
                                           .tie_word_embeddings = false});
    write_tiny_model(*folder_ / "biased", {.seed = 5,
                                           .attention_bias = true,
                                           .mlp_bias = true,
                                           .rope_scaling = {.rope_type = "linear", .factor = 4}});
    write_tiny_model(*folder_ / "head_norms", {.seed = 6, .model_type = "qwen3"});
    write_tiny_model(*folder_ / "window",
                     {.seed = 7, .model_type = "mistral", .sliding_window = 100});
    // The sixth layer sees everything.
    write_tiny_model(
        *folder_ / "gemma3",
        {.seed = 8, .num_hidden_layers = 7, .model_type = "gemma3_text", .sliding_window = 100});
  }
  static void TearDownTestSuite() {
    fs::remove_all(*folder_);
    delete folder_;
  }

  static Checkpoint open(const std::string& name) { return Checkpoint::open(*folder_ / name); }

  static fs::path* folder_;
};

fs::path* Gradients::folder_ = nullptr;

// The slow model is the project's model: float32 against float64 over two blocks.
TEST_F(Gradients, TheDefinitionIsTheModelThatIsScored) {
  for (const std::string model : {"tied", "biased", "head_norms", "window", "gemma3"}) {
    SCOPED_TRACE(model);
    const auto checkpoint = open(model);
    const SlowModel slow(checkpoint);
    const auto ids = some_ids(140, 5);
    auto x = slow.embedded(ids);
    for (int64_t layer = 0; layer < 2; ++layer) {
      const auto entering = x.to(at::kFloat);
      const auto fast = block_forward(load_block(checkpoint, layer), checkpoint.config(),
                                      forest_of_sequences({ids}), entering);
      x = slow.block(entering.to(at::kDouble), layer);
      EXPECT_LE(largest_difference(fast, x), 1e-5) << layer;
    }
    const auto losses = aggregate_gradients(checkpoint, {ids}, [](auto&&...) {});
    ASSERT_EQ(losses.size(), 1u);
    EXPECT_NEAR(losses[0], slow.loss(ids).item<double>(), 1e-5);
  }
}

// (loss(w + h) - loss(w - h)) / 2h in float64 with h = 1e-5 is off by about h^2, far below the
// rounding of the float32 gradient: 2e-5 of the matrix's largest one.
TEST_F(Gradients, AgreeWithCentralDifferences) {
  const auto checkpoint = open("tied");
  SlowModel slow(checkpoint);
  const auto ids = some_ids(12, 3);
  for (const auto& [name, aggregate] : gathered(checkpoint, {ids})) {
    auto& weight = slow.weights.at(name);
    const double largest = aggregate.l1.max().item<double>();
    for (int64_t probe = 0; probe < 6; ++probe) {
      const int64_t row = probe * 11 % weight.size(0), col = probe * 17 % weight.size(1);
      const double before = weight[row][col].item<double>(), h = 1e-5;
      weight[row][col] = before + h;
      const double above = slow.loss(ids).item<double>();
      weight[row][col] = before - h;
      const double below = slow.loss(ids).item<double>();
      weight[row][col] = before;
      EXPECT_NEAR(aggregate.l1[row][col].item<double>(), std::abs(above - below) / (2 * h),
                  2e-5 * largest)
          << name << " " << row << " " << col;
    }
  }
}

// Samples of different lengths; 130 and 330 tokens cross blocks of attention rows and of sums.
TEST_F(Gradients, AgreeWithWholeModelDifferentiation) {
  for (const std::string model : {"tied", "untied", "biased", "head_norms", "window", "gemma3"}) {
    const auto checkpoint = open(model);
    const std::vector<std::vector<int32_t>> sequences{some_ids(9, 1), some_ids(2, 2),
                                                      some_ids(130, 7), some_ids(330, 9)};
    SlowModel slow(checkpoint);
    const auto expected = gathered_slowly(slow, sequences);
    const auto got = gathered(checkpoint, sequences);
    ASSERT_EQ(got.size(), expected.size());
    for (const auto& [name, aggregate] : got) {
      ASSERT_EQ(aggregate.l1.sizes(), expected.at(name).l1.sizes()) << name;
      EXPECT_LE(largest_difference(aggregate.l1, expected.at(name).l1), 2e-5) << model << name;
      EXPECT_LE(largest_difference(aggregate.l2, expected.at(name).l2), 2e-5) << model << name;
    }
  }
}

// sqrt(g^2) in float32 is |g| to one unit in the last place, but where g^2 leaves the range.
TEST_F(Gradients, OfOneSampleAreTheSameInBothNorms) {
  for (const auto& [name, aggregate] : gathered(open("tied"), {some_ids(30, 4)})) {
    EXPECT_TRUE(at::allclose(aggregate.l1, aggregate.l2, 1e-6, 1e-18)) << name;
    EXPECT_GT(aggregate.l1.sum().item<double>(), 0) << name;
  }
}

void expect_same_bits(const std::map<std::string, GradientAggregate>& a,
                      const std::map<std::string, GradientAggregate>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, aggregate] : a) {
    EXPECT_TRUE(at::equal(aggregate.l1, b.at(name).l1)) << name;
    EXPECT_TRUE(at::equal(aggregate.l2, b.at(name).l2)) << name;
  }
}

TEST_F(Gradients, AreTheSameBitsForAnyThreadsAndOnDisk) {
  const auto checkpoint = open("untied");
  const std::vector<std::vector<int32_t>> sequences{some_ids(150, 1), some_ids(20, 2)};
  const int64_t before = num_threads();
  set_num_threads(1);
  const auto one = gathered(checkpoint, sequences);
  set_num_threads(2);
  expect_same_bits(one, gathered(checkpoint, sequences));
  expect_same_bits(
      one, gathered(checkpoint, sequences, {.place = {.in_file = true, .folder = *folder_}}));
  set_num_threads(before);
  EXPECT_EQ(gradient_state_bytes(checkpoint.config(), 170), 4u * 4 * 170 * 48);
}

TEST_F(Gradients, ComeLayerByLayerFromTheLastWithProgress) {
  const auto checkpoint = open("tied");
  std::vector<std::string> order;
  double last = 0, total = 0;
  aggregate_gradients(checkpoint, {some_ids(8, 1), some_ids(5, 1)},
                      [&](int64_t layer, std::string_view linear, const GradientAggregate&) {
                        order.push_back(linear_weight_name(layer, linear));
                      },
                      {.on_progress = [&](double done, double of, const std::string&) {
                        EXPECT_GT(done, last);
                        last = done;
                        total = of;
                      }});
  EXPECT_NEAR(last, total, 1e-9 * total);
  ASSERT_EQ(order.size(), 14u);
  EXPECT_EQ(order.front(), "model.layers.1.self_attn.q_proj.weight");
  EXPECT_EQ(order.back(), "model.layers.0.mlp.down_proj.weight");
}

// By hand from the float32 gradients of the single samples: half(g), times 100, summed in float16.
TEST_F(Gradients, InTheReferencesFloat16RoundAsThere) {
  const auto checkpoint = open("tied");
  const std::vector<std::vector<int32_t>> sequences{some_ids(9, 1), some_ids(20, 2)};
  const auto first = gathered(checkpoint, {sequences[0]}),
             second = gathered(checkpoint, {sequences[1]});
  for (const auto& [name, aggregate] : gathered(checkpoint, sequences, {.reference_scale = 100})) {
    const auto scaled = [&name = name](const std::map<std::string, GradientAggregate>& sample) {
      return sample.at(name).l1.to(at::kHalf).to(at::kFloat) * 100;
    };
    const auto a = scaled(first), b = scaled(second);
    ASSERT_EQ(aggregate.l1.scalar_type(), at::kHalf);
    EXPECT_TRUE(at::equal(aggregate.l1, a.to(at::kHalf) + b.to(at::kHalf))) << name;
    EXPECT_TRUE(at::equal(aggregate.l2, (a * a + b * b).sqrt().to(at::kHalf))) << name;
  }
}

TEST_F(Gradients, AreRefusedWhereTheyAreNotComputed) {
  write_tiny_model(*folder_ / "gpt2", {.num_key_value_heads = 4, .model_type = "gpt2"});
  try {
    aggregate_gradients(open("gpt2"), {{1, 2, 3}}, [](auto&&...) {});
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "gradients are not computed through layer norms (model type gpt2)");
  }
}

TEST_F(Gradients, AreKeptForTheWholeModelInMemoryAndOnDisk) {
  const auto checkpoint = open("untied");
  const std::vector<std::vector<int32_t>> sequences{some_ids(20, 1), some_ids(9, 2)};
  const auto expected = gathered(checkpoint, sequences);
  for (const bool in_file : {false, true}) {
    const GradientOptions options{.place = {.in_file = in_file, .folder = *folder_}};
    const GradientStore l1(checkpoint, sequences, GradientNorm::kL1, options),
        l2(checkpoint, sequences, GradientNorm::kL2, options);
    EXPECT_EQ(l1.num_samples(), 2);
    // Three blocks: q and o [48, 48], k and v [16, 48], three of [80, 48].
    EXPECT_EQ(GradientStore::bytes(checkpoint.config(), options), 4u * 3 * 48 * (96 + 32 + 240));
    for (int64_t layer = 0; layer < 3; ++layer) {
      for (const std::string_view linear : block_linear_names()) {
        const auto& aggregate = expected.at(linear_weight_name(layer, linear));
        EXPECT_TRUE(at::equal(l1.gradient(layer, linear), aggregate.l1)) << linear;
        EXPECT_TRUE(at::equal(l2.gradient(layer, linear), aggregate.l2)) << linear;
      }
    }
    EXPECT_THROW(l1.gradient(3, "mlp.up_proj"), Error);
    l2.write(*folder_ / "kept.safetensors", {{"of", "a test"}});
    const GradientStore kept(open_safetensors(*folder_ / "kept.safetensors"));
    EXPECT_EQ(kept.losses(), l2.losses());
    for (const std::string_view linear : block_linear_names())
      EXPECT_TRUE(at::equal(kept.gradient(1, linear), l2.gradient(1, linear))) << linear;
  }
  const GradientStore half(checkpoint, sequences, GradientNorm::kL2, {.reference_scale = 100});
  EXPECT_EQ(half.gradient(0, "mlp.up_proj").scalar_type(), at::kHalf);
}

// The model with one linear times `factor`.
fs::path write_scaled(const fs::path& folder, const Checkpoint& checkpoint, const std::string& name,
                      double factor) {
  fs::create_directories(folder);
  fs::copy_file(folder.parent_path() / "tied" / "config.json", folder / "config.json",
                fs::copy_options::overwrite_existing);
  std::vector<TensorDeclaration> declared;
  for (const auto& record : checkpoint.tensors()) {
    declared.push_back(
        {record.name, dtype_named("F32"), {record.shape.begin(), record.shape.end()}});
  }
  SafetensorsWriter writer(folder / "model.safetensors", declared);
  for (const auto& record : checkpoint.tensors()) {
    auto tensor = checkpoint.tensor(record.name);
    if (record.name == name) tensor = tensor * factor;
    const std::span values(tensor.const_data_ptr<float>(), static_cast<size_t>(tensor.numel()));
    writer.write(record.name, std::as_bytes(values));
  }
  writer.commit();
  return folder;
}

std::string error_of(const Checkpoint& checkpoint,
                     const std::vector<std::vector<int32_t>>& sequences) {
  try {
    gathered(checkpoint, sequences);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST_F(Gradients, StatesThatAreNotFiniteNameTheLayer) {
  const auto checkpoint = open("tied");
  const auto large =
      write_scaled(*folder_ / "large", checkpoint, "model.layers.1.mlp.up_proj.weight", 2e38);
  EXPECT_EQ(error_of(Checkpoint::open(large), {some_ids(5, 1), some_ids(7, 1)}),
            "model.layers.1: the hidden states of sample 0 are not finite");
}

TEST_F(Gradients, RefusesSamplesWithoutALoss) {
  const auto checkpoint = open("tied");
  EXPECT_EQ(error_of(checkpoint, {}), "gradients: no calibration sequence");
  EXPECT_EQ(error_of(checkpoint, {{1, 2}, {3}}),
            "gradients: sample 1 has 1 tokens; a loss needs 2");
  EXPECT_EQ(error_of(checkpoint, {{1, 320}}),
            "sample 0: token id 320 is outside the vocabulary of 320");
}

}  // namespace
}  // namespace assay
