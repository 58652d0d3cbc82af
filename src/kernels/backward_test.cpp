// Gradients of the kernels against automatic differentiation of their definitions in float64.

#include "kernels/backward.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

#include "base/thread_pool.h"
#include "kernels/elementwise.h"

namespace assay::kernels {
namespace {

std::span<const float> floats(const at::Tensor& t) {
  return {t.const_data_ptr<float>(), static_cast<size_t>(t.numel())};
}

at::Tensor leaf(const at::Tensor& t) { return t.to(at::kDouble).detach().requires_grad_(true); }

// float32 with sums of up to a few hundred terms: 1e-5 of the largest entry.
void expect_close(const at::Tensor& got, const at::Tensor& expected) {
  const double largest = expected.abs().max().item<double>();
  EXPECT_LE((got.to(at::kDouble) - expected).abs().max().item<double>(), 1e-5 * largest + 1e-6);
}

TEST(RmsNormGradient, MatchesHandComputedCase) {
  // x = (3, 4), eps 12.5: r = 1/5. dy = (5, 0), weight = (1, 1): mean(w dy x) = 7.5,
  // along = 7.5 / 25 = 0.3: dx = ((5 - 3 * 0.3) / 5, (0 - 4 * 0.3) / 5) = (0.82, -0.24), added
  // to 1.
  const float x[] = {3, 4}, weight[] = {1, 1}, dy[] = {5, 0};
  float dx[] = {1, 1};
  add_rms_norm_gradient(x, dy, 1, weight, 12.5, dx);
  EXPECT_FLOAT_EQ(dx[0], 1.82f);
  EXPECT_FLOAT_EQ(dx[1], 0.76f);
}

TEST(RmsNormGradient, AgreesWithAutomaticDifferentiation) {
  at::manual_seed(1);
  const auto x = torch::randn({70, 44}) * 3, weight = torch::randn({44}),
             dy = torch::randn({70, 44});
  auto dx = torch::zeros({70, 44});
  add_rms_norm_gradient(x.const_data_ptr<float>(), dy.const_data_ptr<float>(), 70, floats(weight),
                        1e-5, dx.mutable_data_ptr<float>());
  const auto in = leaf(x);
  const auto y = weight.to(at::kDouble) * in * (in.square().mean(1, true) + 1e-5).rsqrt();
  (y * dy.to(at::kDouble)).sum().backward();
  expect_close(dx, in.grad());
}

TEST(SiluTimesGradient, AgreesWithAutomaticDifferentiation) {
  at::manual_seed(2);
  const auto gate = torch::randn({70001}) * 10, up = torch::randn({70001}),
             dy = torch::randn({70001});
  auto d_gate = gate.clone(), d_up = up.clone();
  activate_times_gradient_(Activation::kSilu, d_gate.mutable_data_ptr<float>(),
                           d_up.mutable_data_ptr<float>(), dy.const_data_ptr<float>(),
                           gate.numel());
  const auto g = leaf(gate), u = leaf(up);
  (g * at::sigmoid(g) * u * dy.to(at::kDouble)).sum().backward();
  expect_close(d_gate, g.grad());
  expect_close(d_up, u.grad());
}

TEST(GeluTimesGradient, AgreesWithAutomaticDifferentiation) {
  at::manual_seed(3);
  const auto gate = torch::randn({70001}) * 3, up = torch::randn({70001}),
             dy = torch::randn({70001});
  auto d_gate = gate.clone(), d_up = up.clone();
  activate_times_gradient_(Activation::kGeluTanh, d_gate.mutable_data_ptr<float>(),
                           d_up.mutable_data_ptr<float>(), dy.const_data_ptr<float>(),
                           gate.numel());
  const auto g = leaf(gate), u = leaf(up);
  (at::gelu(g, "tanh") * u * dy.to(at::kDouble)).sum().backward();
  expect_close(d_gate, g.grad());
  expect_close(d_up, u.grad());
}

TEST(RotateBack, UndoesTheTurn) {
  at::manual_seed(3);
  const std::vector<float> frequencies{1, 0.1f, 0.01f, 0.001f};
  const RotaryTable table(frequencies, 50);
  const std::vector<int32_t> positions = {0, 49, 7};
  const auto x = torch::randn({3, 16});
  auto y = x.clone();
  table.rotate_(y.mutable_data_ptr<float>(), 3, 2, positions);
  EXPECT_FALSE(at::allclose(x, y));
  table.rotate_back_(y.mutable_data_ptr<float>(), 3, 2, positions);
  EXPECT_TRUE(at::allclose(x, y, 1e-6, 1e-6));
}

struct Case {
  AttentionShape shape;
  int64_t length;
};

struct Tensors {
  at::Tensor queries, keys, values, d_out, out, d_queries, d_keys, d_values;
};

Tensors gradients(const Case& c, Isa isa = best_isa()) {
  const auto& [shape, length] = c;
  at::manual_seed(static_cast<uint64_t>(length));
  const int64_t q = shape.num_heads * shape.head_dim, kv = shape.num_kv_heads * shape.head_dim;
  Tensors t;
  t.queries = torch::randn({length, q}) * 2;
  t.keys = torch::randn({length, kv});
  t.values = torch::randn({length, kv});
  t.d_out = torch::randn({length, q});
  t.out = torch::empty({length, q});
  const QueryRun run{.queries = t.queries.const_data_ptr<float>(),
                     .out = t.out.mutable_data_ptr<float>(),
                     .num_rows = length,
                     .first_position = 0,
                     .path = {{.keys = t.keys.const_data_ptr<float>(),
                               .values = t.values.const_data_ptr<float>(),
                               .num_rows = length}}};
  attention(shape, {&run, 1}, isa);
  t.d_queries = torch::empty({length, q});
  t.d_keys = torch::empty({length, kv});
  t.d_values = torch::empty({length, kv});
  attention_gradient(shape, length,
                     {.queries = t.queries.const_data_ptr<float>(),
                      .keys = t.keys.const_data_ptr<float>(),
                      .values = t.values.const_data_ptr<float>(),
                      .out = t.out.const_data_ptr<float>(),
                      .d_out = t.d_out.const_data_ptr<float>(),
                      .d_queries = t.d_queries.mutable_data_ptr<float>(),
                      .d_keys = t.d_keys.mutable_data_ptr<float>(),
                      .d_values = t.d_values.mutable_data_ptr<float>()},
                     isa);
  return t;
}

class AttentionGradientCases : public testing::TestWithParam<Case> {};

TEST_P(AttentionGradientCases, AgreesWithAutomaticDifferentiation) {
  const AttentionShape shape = GetParam().shape;
  const auto t = gradients(GetParam());
  const auto q = leaf(t.queries), k = leaf(t.keys), v = leaf(t.values);
  const int64_t group = shape.num_heads / shape.num_kv_heads, n = GetParam().length;
  const auto heads = [&](const at::Tensor& x, int64_t count) {
    return x.view({n, count, shape.head_dim}).transpose(0, 1);
  };
  auto unseen = torch::ones({n, n}).triu(1);
  if (shape.window > 0) unseen += torch::ones({n, n}).tril(-shape.window);
  unseen = unseen.to(at::kBool);
  const auto keys = heads(k, shape.num_kv_heads).repeat_interleave(group, 0);
  const auto values = heads(v, shape.num_kv_heads).repeat_interleave(group, 0);
  const auto scores = heads(q, shape.num_heads).matmul(keys.transpose(1, 2)) /
                      std::sqrt(static_cast<double>(shape.head_dim));
  const auto weights = scores.masked_fill(unseen, -INFINITY).softmax(-1);
  const auto out = weights.matmul(values).transpose(0, 1).reshape({n, -1});
  (out * t.d_out.to(at::kDouble)).sum().backward();
  expect_close(t.out, out.detach());
  expect_close(t.d_queries, q.grad());
  expect_close(t.d_keys, k.grad());
  expect_close(t.d_values, v.grad());
}

TEST_P(AttentionGradientCases, HasTheSameBitsForAnyThreadsAndInstructions) {
  const int64_t before = num_threads();
  set_num_threads(1);
  const auto one = gradients(GetParam());
  set_num_threads(2);
  const auto two = gradients(GetParam()), portable = gradients(GetParam(), Isa::kPortable);
  set_num_threads(before);
  for (const auto* other : {&two, &portable}) {
    EXPECT_TRUE(at::equal(one.d_queries, other->d_queries));
    EXPECT_TRUE(at::equal(one.d_keys, other->d_keys));
    EXPECT_TRUE(at::equal(one.d_values, other->d_values));
  }
}

// Lengths on both sides of one and two blocks of 120 rows.
INSTANTIATE_TEST_SUITE_P(
    Shapes, AttentionGradientCases,
    testing::Values(Case{{.num_heads = 1, .num_kv_heads = 1, .head_dim = 4}, 1},
                    Case{{.num_heads = 2, .num_kv_heads = 1, .head_dim = 8, .window = 9}, 30},
                    Case{{.num_heads = 2, .num_kv_heads = 1, .head_dim = 8, .window = 50}, 250},
                    Case{{.num_heads = 4, .num_kv_heads = 2, .head_dim = 16}, 7},
                    Case{{.num_heads = 2, .num_kv_heads = 1, .head_dim = 8}, 120},
                    Case{{.num_heads = 3, .num_kv_heads = 3, .head_dim = 10}, 121},
                    Case{{.num_heads = 6, .num_kv_heads = 2, .head_dim = 64}, 250}));

}  // namespace
}  // namespace assay::kernels
