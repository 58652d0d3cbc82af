#include "infer/score.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <random>

#include "base/error.h"
#include "base/thread_pool.h"
#include "infer/prefix_tree.h"
#include "kernels/elementwise.h"
#include "kernels/vocabulary.h"

namespace assay {
namespace {

// The weights of a tiny random model as the checkpoint would hold them, and the model made of them.
struct TinyModel {
  ModelConfig config;
  at::Tensor embed_tokens, norm, lm_head;
  struct Weights {
    at::Tensor input_layernorm, post_attention_layernorm, q, k, v, o, gate, up, down;
  };
  std::vector<Weights> layers;
  CausalLM model;
  std::optional<kernels::KvCacheFormat> kv_cache = std::nullopt;  // of the slow definition
};

TinyModel tiny_model(uint64_t seed, int64_t head_dim = 16) {
  at::manual_seed(seed);
  TinyModel tiny;
  ModelConfig& c = tiny.config;
  c.model_type = "llama";
  c.hidden_size = 44;  // not a multiple of a vector
  c.intermediate_size = 72;
  c.num_hidden_layers = 3;
  c.num_attention_heads = 6;
  c.num_key_value_heads = 2;
  c.head_dim = head_dim;
  c.vocab_size = 301;
  c.max_position_embeddings = 512;
  const int64_t q = c.num_attention_heads * head_dim, kv = c.num_key_value_heads * head_dim;
  const auto random = [](int64_t out, int64_t in) {
    return at::randn({out, in}) * 1.3 / std::sqrt(in);
  };
  const auto scales = [&] { return 1 + 0.2 * at::randn({c.hidden_size}); };
  tiny.embed_tokens = at::randn({c.vocab_size, c.hidden_size});
  tiny.norm = scales();
  tiny.lm_head = random(c.vocab_size, c.hidden_size);
  for (int64_t i = 0; i < c.num_hidden_layers; ++i) {
    tiny.layers.push_back({.input_layernorm = scales(),
                           .post_attention_layernorm = scales(),
                           .q = random(q, c.hidden_size),
                           .k = random(kv, c.hidden_size),
                           .v = random(kv, c.hidden_size),
                           .o = random(c.hidden_size, q),
                           .gate = random(c.intermediate_size, c.hidden_size),
                           .up = random(c.intermediate_size, c.hidden_size),
                           .down = random(c.hidden_size, c.intermediate_size)});
  }
  tiny.model = {.config = c,
                .embedding = tiny.embed_tokens,
                .blocks = {},
                .norm = tiny.norm,
                .lm_head = Linear(tiny.lm_head)};
  for (const auto& w : tiny.layers) {
    tiny.model.blocks.push_back({.input_layernorm = w.input_layernorm,
                                 .post_attention_layernorm = w.post_attention_layernorm,
                                 .q_proj = Linear(w.q),
                                 .k_proj = Linear(w.k),
                                 .v_proj = Linear(w.v),
                                 .o_proj = Linear(w.o),
                                 .gate_proj = Linear(w.gate),
                                 .up_proj = Linear(w.up),
                                 .down_proj = Linear(w.down)});
  }
  return tiny;
}

at::Tensor rms(const at::Tensor& x, const at::Tensor& weight, double eps) {
  return weight.to(at::kDouble) * x / (x.square().mean(-1, true) + eps).sqrt();
}

// x [positions, heads, head_dim]
at::Tensor rotated(const at::Tensor& x, double theta) {
  const int64_t half = x.size(2) / 2;
  const auto exponents = at::arange(half, at::kDouble) / -static_cast<double>(half);
  const auto angle =
      at::outer(at::arange(x.size(0), at::kDouble), at::pow(theta, exponents)).unsqueeze(1);
  const auto low = x.narrow(2, 0, half), high = x.narrow(2, half, half);
  return at::cat({low * angle.cos() - high * angle.sin(), high * angle.cos() + low * angle.sin()},
                 2);
}

// Asymmetric groups of whole heads: [positions, heads, head_dim], each head on its own grid.
at::Tensor cached(const at::Tensor& x, const std::optional<kernels::KvCacheFormat>& format) {
  if (!format) return x;
  const auto lo = x.amin(2, true);
  const auto step = (x.amax(2, true) - lo) / (std::pow(2, format->bits) - 1);
  return lo + ((x - lo) / step).round() * step;
}

// The definition, in double, one sequence at a time: log-probabilities [positions, vocab_size] of
// the next token.
at::Tensor slow_log_probabilities(const TinyModel& tiny, const std::vector<int32_t>& ids) {
  const ModelConfig& c = tiny.config;
  const auto n = static_cast<int64_t>(ids.size()),
             group = c.num_attention_heads / c.num_key_value_heads;
  const auto times = [](const at::Tensor& x, const at::Tensor& w) {
    return x.matmul(w.to(at::kDouble).t());
  };
  auto x = tiny.embed_tokens.index_select(0, torch::tensor(ids, torch::kInt)).to(at::kDouble);
  for (const auto& w : tiny.layers) {
    const auto normed = rms(x, w.input_layernorm, c.rms_norm_eps);
    const auto q =
        rotated(times(normed, w.q).view({n, c.num_attention_heads, c.head_dim}), c.rope_theta);
    const auto k = cached(
        rotated(times(normed, w.k).view({n, c.num_key_value_heads, c.head_dim}), c.rope_theta),
        tiny.kv_cache);
    const auto v =
        cached(times(normed, w.v).view({n, c.num_key_value_heads, c.head_dim}), tiny.kv_cache);
    auto attended = at::empty_like(q);
    for (int64_t h = 0; h < c.num_attention_heads; ++h) {
      const auto scores = q.select(1, h).matmul(k.select(1, h / group).t()) /
                          std::sqrt(static_cast<double>(c.head_dim));
      const auto hidden_keys = at::ones({n, n}, at::kBool).triu(1);
      attended.select(1, h).copy_(
          scores.masked_fill(hidden_keys, -INFINITY).softmax(1).matmul(v.select(1, h / group)));
    }
    x = x + times(attended.reshape({n, -1}), w.o);
    const auto mlp = rms(x, w.post_attention_layernorm, c.rms_norm_eps);
    const auto gate = times(mlp, w.gate);
    x = x + times(gate * gate.sigmoid() * times(mlp, w.up), w.down);
  }
  return times(rms(x, tiny.norm, c.rms_norm_eps), tiny.lm_head).log_softmax(1);
}

ScoreResult slow_score(const TinyModel& tiny, const ScoreRequest& request) {
  auto ids = request.context_ids;
  ids.insert(ids.end(), request.continuation_ids.begin(), request.continuation_ids.end());
  const auto log_probabilities = slow_log_probabilities(tiny, {ids.begin(), ids.end() - 1});
  ScoreResult result{.log_likelihood = 0, .num_tokens = 0, .is_greedy = true};
  for (size_t i = request.context_ids.size(); i < ids.size(); ++i) {
    const auto row = log_probabilities[static_cast<int64_t>(i) - 1];
    result.log_likelihood += row[ids[i]].item<double>();
    result.is_greedy = result.is_greedy && row.argmax().item<int64_t>() == ids[i];
    ++result.num_tokens;
  }
  return result;
}

// Questions as evaluations ask them: few-shot stems, contexts that share them, several
// continuations, some of them equal to others or a beginning of them; and sequences that share
// nothing.
std::vector<ScoreRequest> mixed_requests(uint64_t seed, size_t count) {
  std::mt19937_64 random(seed);
  const auto ids = [&](size_t n) {
    std::vector<int32_t> out(n);
    for (auto& id : out) id = static_cast<int32_t>(random() % 301);
    return out;
  };
  std::vector<ScoreRequest> requests;
  while (requests.size() < count) {
    const auto stem = ids(random() % 40);
    for (size_t c = 1 + random() % 4; c > 0; --c) {
      auto context = stem;
      const auto own = ids(1 + random() % 12);
      context.insert(context.end(), own.begin(), own.end());
      const auto longest = ids(1 + random() % 6);
      for (size_t k = 1 + random() % 3; k > 0; --k) {
        const auto length = static_cast<int64_t>(1 + random() % longest.size());
        requests.push_back({.context_ids = context,
                            .continuation_ids = {longest.begin(), longest.begin() + length}});
        if (random() % 2)
          requests.back().continuation_ids.back() = static_cast<int32_t>(random() % 301);
      }
    }
  }
  requests.resize(count);
  return requests;
}

// Exactly: a tolerance of nothing.
void expect_same(const ScoreResult& a, const ScoreResult& b, const std::string& where) {
  EXPECT_EQ(a.log_likelihood, b.log_likelihood) << where;
  EXPECT_EQ(a.num_tokens, b.num_tokens) << where;
  EXPECT_EQ(a.is_greedy, b.is_greedy) << where;
}

TEST(Score, AgreesWithTheDefinitionInDouble) {
  for (const int64_t head_dim : {16, 6}) {  // 6: no whole vector
    const auto tiny = tiny_model(static_cast<uint64_t>(head_dim), head_dim);
    const auto requests = mixed_requests(1, 40);
    const auto results = score(tiny.model, requests, {});
    for (size_t i = 0; i < requests.size(); ++i) {
      const auto expected = slow_score(tiny, requests[i]);
      // Float32 through three layers: an error of 2e-5 in a sum of up to six logits of size 5.
      EXPECT_NEAR(results[i].log_likelihood, expected.log_likelihood, 2e-5) << i;
      EXPECT_EQ(results[i].num_tokens, expected.num_tokens) << i;
      EXPECT_EQ(results[i].is_greedy, expected.is_greedy) << i;
    }
  }
}

TEST(Score, SaysGreedyOfTheArgMaxAndOfNothingElse) {
  const auto tiny = tiny_model(3);
  std::vector<ScoreRequest> requests;
  for (int32_t start = 0; start < 20; ++start) {
    const auto row = slow_log_probabilities(tiny, {start, 7})[1];
    const auto best = static_cast<int32_t>(row.argmax().item<int64_t>());
    requests.push_back({.context_ids = {start, 7}, .continuation_ids = {best}});
    requests.push_back({.context_ids = {start, 7}, .continuation_ids = {(best + 1) % 301}});
  }
  const auto results = score(tiny.model, requests, {});
  for (size_t i = 0; i < results.size(); ++i) EXPECT_EQ(results[i].is_greedy, i % 2 == 0) << i;
}

TEST(Score, IsBitEqualForAnyBatchOrderSubsetAndNumberOfThreads) {
  const auto tiny = tiny_model(5);
  const auto requests = mixed_requests(2, 150);
  const auto before = num_threads();
  const auto expected = score(tiny.model, requests, {});
  for (const int64_t threads : {1, 2, 3}) {
    set_num_threads(threads);
    for (const int64_t batch_tokens : {1, 7, 64, 333, 2048}) {
      const auto results =
          score(tiny.model, requests, {.batch_tokens = batch_tokens, .on_batch = {}});
      for (size_t i = 0; i < requests.size(); ++i) {
        expect_same(results[i], expected[i],
                    "batch " + std::to_string(batch_tokens) + ", request " + std::to_string(i));
      }
    }
  }
  set_num_threads(before);

  std::vector<size_t> order(requests.size());
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937_64(3));
  for (const size_t count : {order.size(), size_t{17}}) {
    std::vector<ScoreRequest> chosen;
    for (size_t i = 0; i < count; ++i) chosen.push_back(requests[order[i]]);
    const auto results = score(tiny.model, chosen, {.batch_tokens = 100, .on_batch = {}});
    for (size_t i = 0; i < count; ++i) expect_same(results[i], expected[order[i]], "shuffled");
  }
  for (size_t i = 0; i < requests.size(); i += 11) {  // alone: nothing is shared
    expect_same(score(tiny.model, {&requests[i], 1}, {})[0], expected[i], "alone");
  }
}

// The scores, after comparing those of small batches on 1 and 3 threads with them.
std::vector<ScoreResult> same_for_any_batch_and_threads(const CausalLM& model,
                                                        std::span<const ScoreRequest> requests) {
  const auto before = num_threads();
  const auto expected = score(model, requests, {});
  for (const int64_t threads : {1, 3}) {
    set_num_threads(threads);
    for (const int64_t batch_tokens : {1, 7, 333}) {
      const auto results = score(model, requests, {.batch_tokens = batch_tokens, .on_batch = {}});
      for (size_t i = 0; i < requests.size(); ++i) {
        expect_same(results[i], expected[i], "batch " + std::to_string(batch_tokens));
      }
    }
  }
  set_num_threads(before);
  return expected;
}

// With linears in 8 bits, whose activations are quantized row by row.
TEST(Score, OfAnInt8ModelIsBitEqualForAnyBatchAndNumberOfThreads) {
  auto tiny = tiny_model(5);
  const auto requests = mixed_requests(2, 60);
  const auto dense = score(tiny.model, requests, {});
  const LlmInt8Options options{.threshold = 3};
  for (size_t i = 0; i < tiny.layers.size(); ++i) {
    const auto& w = tiny.layers[i];
    Block& block = tiny.model.blocks[i];
    block.q_proj = Linear::llm_int8(w.q, options);
    block.k_proj = Linear::llm_int8(w.k, options);
    block.v_proj = Linear::llm_int8(w.v, options);
    block.o_proj = Linear::llm_int8(w.o, options);
    block.gate_proj = Linear::llm_int8(w.gate, options);
    block.up_proj = Linear::llm_int8(w.up, options);
    block.down_proj = Linear::llm_int8(w.down, options);
  }
  const auto expected = same_for_any_batch_and_threads(tiny.model, requests);
  double squares = 0, tokens = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    squares += std::pow(expected[i].log_likelihood - dense[i].log_likelihood, 2);
    tokens += static_cast<double>(expected[i].num_tokens);
  }
  EXPECT_GT(squares, 0);
  EXPECT_LT(std::sqrt(squares / tokens), 0.1);  // nats a token; measured 0.04

  tiny.model.lm_head = Linear::llm_int8(tiny.lm_head, options);
  EXPECT_THROW(score(tiny.model, requests, {}), Error);  // the head's kernel takes float32
}

// The same with a cache in few bits. Each request is also decoded here: token by token, each a
// forest of one row, whose keys and values join those of the tokens before it.
ScoreResult decoded_score(const CausalLM& model, const ScoreRequest& request) {
  const ModelConfig& c = model.config;
  auto ids = request.context_ids;
  ids.insert(ids.end(), request.continuation_ids.begin(), request.continuation_ids.end());
  const auto length = static_cast<int64_t>(ids.size());
  const std::vector<int64_t> shape{length, c.num_key_value_heads * c.head_dim};
  std::vector<PathCache> caches;
  for (size_t i = 0; i < model.blocks.size(); ++i) {
    caches.push_back({at::empty(shape), at::empty(shape), model.kv_cache});
  }
  BlockScratch scratch;
  ScoreResult result{.log_likelihood = 0, .num_tokens = 0, .is_greedy = true};
  for (int64_t t = 0; t + 1 < length; ++t) {
    const TokenForest token{
        .ids = {ids[static_cast<size_t>(t)]},
        .segments = {{.first_row = 0, .num_rows = 1, .first_position = t, .parent = -1}}};
    const ForestLayout layout(c, token);
    auto hidden = embed(model.embedding, model.config, token);
    for (size_t i = 0; i < model.blocks.size(); ++i) {
      block_forward_(model.blocks[i], c, layout, caches[i], std::nullopt, hidden, scratch);
      caches[i].keys.narrow(0, t, 1).copy_(scratch.keys.narrow(0, 0, 1));
      caches[i].values.narrow(0, t, 1).copy_(scratch.values.narrow(0, 0, 1));
    }
    if (t + 1 < std::ssize(request.context_ids)) continue;
    hidden = normed(hidden, model.norm, c);
    const kernels::TokenQuestion question{.row = 0, .token = ids[static_cast<size_t>(t) + 1]};
    const auto answer = kernels::token_log_probabilities(
        model.lm_head.packed(), hidden.const_data_ptr<float>(), 1, {&question, 1})[0];
    result.log_likelihood += answer.log_probability;
    result.is_greedy = result.is_greedy && answer.is_greedy;
    ++result.num_tokens;
  }
  return result;
}

TEST(Score, ThroughAQuantizedCacheIsThatOfDecodingTokenByToken) {
  for (const auto& format : {kernels::KvCacheFormat{.bits = 8, .group_size = -1},
                             kernels::KvCacheFormat{.bits = 4, .group_size = 10, .sym = true},
                             kernels::KvCacheFormat{.bits = 2, .group_size = 16}}) {
    SCOPED_TRACE(format.bits);
    auto tiny = tiny_model(5);
    tiny.model.kv_cache = format;
    const auto requests = mixed_requests(6, 40);
    const auto results = score(tiny.model, requests, {.batch_tokens = 50, .on_batch = {}});
    for (size_t i = 0; i < requests.size(); ++i) {
      expect_same(results[i], decoded_score(tiny.model, requests[i]), std::to_string(i));
    }
  }
}

TEST(Score, ThroughAQuantizedCacheIsBitEqualForAnyBatchOrderSubsetAndNumberOfThreads) {
  auto tiny = tiny_model(5);
  const auto requests = mixed_requests(2, 80);
  const auto dense = score(tiny.model, requests, {});
  std::vector<double> moved;  // root mean square, nats
  for (const int64_t bits : {8, 4, 2}) {
    tiny.model.kv_cache = {.bits = bits, .group_size = 16};
    const auto expected = same_for_any_batch_and_threads(tiny.model, requests);
    const std::vector<ScoreRequest> backwards(requests.rbegin(), requests.rend());
    const auto reversed = score(tiny.model, backwards, {});
    double squares = 0;
    for (size_t i = 0; i < requests.size(); ++i) {
      expect_same(reversed[requests.size() - 1 - i], expected[i], "reversed");
      if (i % 11 == 0)
        expect_same(score(tiny.model, {&requests[i], 1}, {})[0], expected[i], "alone");
      squares += std::pow(expected[i].log_likelihood - dense[i].log_likelihood, 2);
    }
    moved.push_back(std::sqrt(squares / static_cast<double>(requests.size())));
  }
  // Fewer bits, larger steps: 16 times those of 8 bits with 4, five times those of 4 with 2.
  EXPECT_GT(moved[0], 0);
  EXPECT_GT(moved[1], 4 * moved[0]);
  EXPECT_GT(moved[2], 2 * moved[1]);
}

TEST(Score, ThroughAQuantizedCacheAgreesWithTheDefinitionInDouble) {
  auto tiny = tiny_model(21);
  tiny.model.kv_cache = {.bits = 4, .group_size = 16};
  tiny.kv_cache = tiny.model.kv_cache;
  const auto requests = mixed_requests(1, 40);
  const auto results = score(tiny.model, requests, {});
  auto differences = std::vector<double>();
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto expected = slow_score(tiny, requests[i]);
    differences.push_back(std::abs(results[i].log_likelihood - expected.log_likelihood));
  }
  // A value at the edge of two codes may take the other one in float32; most requests have none.
  std::ranges::sort(differences);
  EXPECT_LT(differences[differences.size() / 2], 2e-5);
  EXPECT_LT(differences.back(), 0.05);
}

TEST(Score, NamesTheLayerWhoseKeysTheCacheCannotHold) {
  auto tiny = tiny_model(13);
  tiny.model.kv_cache = kernels::KvCacheFormat{};
  tiny.model.blocks[1].v_proj = Linear(tiny.layers[1].v * HUGE_VALF);
  const ScoreRequest request{.context_ids = {1, 2}, .continuation_ids = {3}};
  try {
    score(tiny.model, {&request, 1}, {});
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("layer 1: values: a group of the cache"));
  }
}

TEST(Score, SharesPrefixesAndCountsWhatItComputes) {
  // Rows: 1 2 3 | 4 | 5 6 (the last token of a request is never read): 1 2 3 4, 1 2 3 5 6, and 1 2
  // 3 again.
  const std::vector<ScoreRequest> requests = {
      {.context_ids = {1, 2, 3}, .continuation_ids = {4, 9}},
      {.context_ids = {1, 2, 3}, .continuation_ids = {5, 6, 9}},
      {.context_ids = {1, 2, 3}, .continuation_ids = {8}}};
  const auto tiny = tiny_model(7);
  ScoreStats stats;
  score(tiny.model, requests, {}, &stats);
  for (const ScoreStats& s : {stats, plan_score(requests)}) {
    EXPECT_EQ(s.num_requests, 3);
    EXPECT_EQ(s.request_tokens, 4 + 5 + 3);
    EXPECT_EQ(s.computed_tokens, 6);
    EXPECT_EQ(s.logit_rows, 4);  // after 3, 4, 5, 6
  }
}

TEST(Score, ReportsFinishedRequestsOnceAndWithTheirFinalResults) {
  const auto tiny = tiny_model(9);
  const auto requests = mixed_requests(4, 60);
  std::vector<int> finished(requests.size(), 0);
  std::vector<ScoreResult> reported(requests.size());
  const auto results = score(
      tiny.model, requests, {.batch_tokens = 50, .on_batch = [&](auto indices, const auto& so_far) {
                               for (const int64_t i : indices) {
                                 ++finished[static_cast<size_t>(i)];
                                 reported[static_cast<size_t>(i)] = so_far[static_cast<size_t>(i)];
                               }
                             }});
  EXPECT_EQ(finished, std::vector<int>(requests.size(), 1));
  for (size_t i = 0; i < requests.size(); ++i) expect_same(reported[i], results[i], "reported");
}

TEST(Score, RefusesWhatItCannotScore) {
  const auto tiny = tiny_model(11);
  const auto score_one = [&](ScoreRequest r) { return score(tiny.model, {&r, 1}, {}); };
  EXPECT_THROW(score_one({.context_ids = {}, .continuation_ids = {1}}), Error);
  EXPECT_THROW(score_one({.context_ids = {1}, .continuation_ids = {}}), Error);
  EXPECT_THROW(score_one({.context_ids = {301}, .continuation_ids = {1}}), Error);
  EXPECT_THROW(score_one({.context_ids = {1}, .continuation_ids = {-1}}), Error);
  EXPECT_THROW(score_one({.context_ids = std::vector<int32_t>(512, 1), .continuation_ids = {1, 1}}),
               Error);
  EXPECT_TRUE(score(tiny.model, {}, {}).empty());
}

TEST(Score, NeverReturnsAResultThatIsNotFinite) {
  for (const double poison : {std::nan(""), HUGE_VAL}) {
    auto tiny = tiny_model(13);
    tiny.model.norm = tiny.model.norm.weight.clone();
    tiny.model.norm.weight[0] = poison;
    const ScoreRequest request{.context_ids = {1, 2}, .continuation_ids = {3}};
    try {
      score(tiny.model, {&request, 1}, {});
      ADD_FAILURE() << "no error";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind, ErrorKind::kInternal);
    }
  }
}

int64_t peak_resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word == "VmHWM:") return status >> word, std::stoll(word) * 1024;
  }
  return -1;
}

TEST(Score, HoldsNeitherLogitsNorStatesOfTheWholeTree) {
  auto tiny = tiny_model(15);
  tiny.model.config.vocab_size = 50000;
  tiny.model.embedding = at::randn({50000, 44});
  tiny.model.lm_head = Linear(at::randn({50000, 44}));
  std::vector<ScoreRequest> requests;
  for (int32_t i = 0; i < 40; ++i) {
    requests.push_back({.context_ids = {i}, .continuation_ids = std::vector<int32_t>(101, i)});
  }
  score(tiny.model, {requests.data(), 1}, {.batch_tokens = 64, .on_batch = {}});
  std::ofstream("/proc/self/clear_refs") << "5";  // the peak starts again from here
  const int64_t before = peak_resident_bytes();
  if (before <= 0) GTEST_SKIP() << "no VmHWM in /proc/self/status";
  score(tiny.model, requests, {.batch_tokens = 64, .on_batch = {}});
  // The logits of all 4 000 rows would be 800 MB, those of one batch 13 MB.
  EXPECT_LT(peak_resident_bytes() - before, 8 << 20);
}

TEST(RollingRequests, CutsWindowsAndLeavesOutALastSingleToken) {
  const std::vector<int32_t> ids = {1, 2, 3, 4, 5, 6, 7};
  const auto threes = rolling_requests(ids, 3);  // 1 2 3 | 4 5 6 | 7 left out
  ASSERT_EQ(threes.size(), 2u);
  EXPECT_EQ(threes[1].context_ids, (std::vector<int32_t>{4}));
  EXPECT_EQ(threes[1].continuation_ids, (std::vector<int32_t>{5, 6}));
  EXPECT_EQ(rolling_requests(ids, 5).size(), 2u);  // 1-5 | 6 7
  EXPECT_EQ(rolling_requests(ids, 100).size(), 1u);
  EXPECT_THROW(rolling_requests(ids, 1), Error);
}

TEST(PrefixTree, HoldsEveryRequestOnOnePath) {
  const auto requests = mixed_requests(6, 300);
  const auto tree = build_prefix_tree(requests);
  std::vector<size_t> next(requests.size(), 0);
  for (const TreeQuestion& q : tree.questions) {
    const auto& r = requests[static_cast<size_t>(q.request)];
    auto inputs = r.context_ids;
    const size_t i = next[static_cast<size_t>(q.request)]++;
    inputs.insert(inputs.end(), r.continuation_ids.begin(),
                  r.continuation_ids.begin() + static_cast<int64_t>(i));
    auto path = path_before(tree.forest, q.row);
    path.push_back(q.row);
    std::vector<int32_t> ids;
    for (const int64_t row : path) ids.push_back(tree.forest.ids[static_cast<size_t>(row)]);
    EXPECT_EQ(ids, inputs);
    EXPECT_EQ(q.token, r.continuation_ids[i]);
  }
  for (size_t i = 0; i < requests.size(); ++i)
    EXPECT_EQ(next[i], requests[i].continuation_ids.size());
}

}  // namespace
}  // namespace assay
