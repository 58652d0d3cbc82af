#include "calibration/gradients.h"

#include <ATen/ATen.h>
#include <c10/util/Half.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/error.h"
#include "base/scratch_memory.h"
#include "base/thread_pool.h"
#include "kernels/attention.h"
#include "kernels/backward.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "model/block.h"

namespace assay {
namespace {

constexpr int64_t kRange = 1 << 15;  // elements of a task
constexpr int64_t kLogitRows = 120;  // rows of logits that are held at a time

std::span<const float> floats(const at::Tensor& t) {
  return {t.const_data_ptr<float>(), static_cast<size_t>(t.numel())};
}

bool is_finite(const at::Tensor& t) { return at::isfinite(t).all().item<bool>(); }

std::string layer_name(int64_t layer) { return "model.layers." + std::to_string(layer); }

// Hidden states at every boundary between blocks: boundary 0 enters block 0, the last one leaves
// the last block. On the way back the gradient of a boundary takes the place of its states.
class Boundaries {
 public:
  Boundaries(const ModelConfig& config, const std::vector<std::vector<int32_t>>& sequences,
             const GradientOptions& options)
      : width_(config.hidden_size), first_rows_{0} {
    for (const auto& ids : sequences)
      first_rows_.push_back(first_rows_.back() + static_cast<int64_t>(ids.size()));
    scratch_.emplace(gradient_state_bytes(config, first_rows_.back()), options.place);
  }

  // [rows, hidden_size] float32, a view
  at::Tensor at(int64_t boundary, size_t sample) const {
    const int64_t first = boundary * first_rows_.back() + first_rows_[sample];
    auto* data = reinterpret_cast<float*>(scratch_->bytes().data()) + first * width_;
    return at::from_blob(data, {first_rows_[sample + 1] - first_rows_[sample], width_}, at::kFloat);
  }

  // They are not needed until another block is passed.
  void let_go(int64_t boundary, size_t sample) const {
    const auto states = at(boundary, sample);
    scratch_->let_go({static_cast<const std::byte*>(states.const_data_ptr()), states.nbytes()});
  }

 private:
  int64_t width_;
  std::vector<int64_t> first_rows_;  // of each sample, then their number
  std::optional<ScratchMemory> scratch_;
};

// A block's linears in both directions: forward x -> x W^T, back dy -> dy W.
struct TwoWayBlock {
  Block forward;
  std::map<std::string_view, Linear> back;
};

TwoWayBlock load_two_way(const Checkpoint& checkpoint, int64_t layer) {
  TwoWayBlock block;
  block.forward = make_block(checkpoint, layer, [&](std::string_view linear) {
    auto weight = checkpoint.tensor(linear_weight_name(layer, linear));
    block.back.emplace(linear, Linear(weight.t().contiguous()));
    return weight;
  });
  return block;
}

// The input of a linear, packed once for the weight gradients of all linears that share it.
class PackedInput {
 public:
  explicit PackedInput(const at::Tensor& x) {
    const auto rows = x.contiguous();
    packed_ =
        kernels::pack_transposed(rows.const_data_ptr<float>(), x.size(1), x.size(1), x.size(0));
  }

  // dW = dy^T x: [out_features, in_features]
  at::Tensor weight_gradient(const at::Tensor& dy) const {
    const auto columns = dy.t().contiguous();
    auto result = at::empty({dy.size(1), packed_.out_features}, at::kFloat);
    kernels::multiply(packed_, columns.const_data_ptr<float>(), dy.size(1),
                      result.mutable_data_ptr<float>());
    return result;
  }

 private:
  kernels::PackedWeight packed_;
};

void add_norm_gradient_(const at::Tensor& x, const at::Tensor& dy, const Norm& norm, double eps,
                        at::Tensor& dx) {
  kernels::add_rms_norm_gradient(x.const_data_ptr<float>(), dy.const_data_ptr<float>(), x.size(0),
                                 floats(norm.weight), eps, dx.mutable_data_ptr<float>());
}

// What one sample leaves in a block on its way forward and the way back needs.
struct BlockStates {
  at::Tensor normed;
  at::Tensor plain_queries, plain_keys;  // before the norms of heads, where there are any
  at::Tensor queries, keys, values, attended, middle, mlp_normed, gate, up, activated;
  at::Tensor attention;  // what o_proj gives, where it is normed before it is added
};

// One block, one sample at a time.
class BlockGradient {
 public:
  using TakeGradient = std::function<void(std::string_view linear, const at::Tensor& gradient)>;

  BlockGradient(const TwoWayBlock& block, const ModelConfig& config)
      : block_(block), config_(config), shape_(attention_shape(config, block.forward.window)) {}

  // x [rows, hidden_size] enters the block, d_out is the loss's gradient by what leaves it. Gives
  // that by x, and tells the gradient by each weight.
  at::Tensor run(const at::Tensor& x, const at::Tensor& d_out, const TakeGradient& take) const {
    const int64_t rows = x.size(0);
    std::vector<int32_t> positions(static_cast<size_t>(rows));
    std::iota(positions.begin(), positions.end(), 0);
    const kernels::RotaryTable rotary = rotary_table(config_, rows, block_.forward.window);
    BlockStates s = forward(x, rotary, positions);

    // y = middle + down(act(gate) * up), normed before it is added where there is a norm
    const Norm& output_norm = block_.forward.mlp_output_norm;
    const auto d_mlp = output_norm.weight.defined()
                           ? norm_back(block_.forward.down_proj(s.activated), output_norm, d_out)
                           : d_out;
    take("mlp.down_proj", PackedInput(s.activated).weight_gradient(d_mlp));
    s.activated.reset();
    const auto d_activated = back("mlp.down_proj", d_mlp);
    kernels::activate_times_gradient_(config_.hidden_act, s.gate.mutable_data_ptr<float>(),
                                      s.up.mutable_data_ptr<float>(),
                                      d_activated.const_data_ptr<float>(), s.gate.numel());
    const at::Tensor &d_gate = s.gate, &d_up = s.up;
    const PackedInput mlp_input(s.mlp_normed);
    take("mlp.gate_proj", mlp_input.weight_gradient(d_gate));
    take("mlp.up_proj", mlp_input.weight_gradient(d_up));
    auto d_mlp_normed = back("mlp.gate_proj", d_gate);
    block_.back.at("mlp.up_proj").add_(d_up, d_mlp_normed);
    auto d_middle = d_out.clone();
    add_norm_gradient_(s.middle, d_mlp_normed, block_.forward.post_attention_layernorm,
                       config_.rms_norm_eps, d_middle);

    // middle = x + o(attention(q, k, v))
    const auto d_attention =
        s.attention.defined()
            ? norm_back(s.attention, block_.forward.attention_output_norm, d_middle)
            : d_middle;
    take("self_attn.o_proj", PackedInput(s.attended).weight_gradient(d_attention));
    const auto d_attended = back("self_attn.o_proj", d_attention);
    auto d_queries = at::empty_like(s.queries), d_keys = at::empty_like(s.keys),
         d_values = at::empty_like(s.values);
    kernels::attention_gradient(shape_, rows,
                                {.queries = s.queries.const_data_ptr<float>(),
                                 .keys = s.keys.const_data_ptr<float>(),
                                 .values = s.values.const_data_ptr<float>(),
                                 .out = s.attended.const_data_ptr<float>(),
                                 .d_out = d_attended.const_data_ptr<float>(),
                                 .d_queries = d_queries.mutable_data_ptr<float>(),
                                 .d_keys = d_keys.mutable_data_ptr<float>(),
                                 .d_values = d_values.mutable_data_ptr<float>()});
    rotary.rotate_back_(d_queries.mutable_data_ptr<float>(), rows, shape_.num_heads, positions);
    rotary.rotate_back_(d_keys.mutable_data_ptr<float>(), rows, shape_.num_kv_heads, positions);
    norm_heads_back_(s.plain_queries, block_.forward.head_norms.q, d_queries);
    norm_heads_back_(s.plain_keys, block_.forward.head_norms.k, d_keys);
    const PackedInput input(s.normed);
    take("self_attn.q_proj", input.weight_gradient(d_queries));
    take("self_attn.k_proj", input.weight_gradient(d_keys));
    take("self_attn.v_proj", input.weight_gradient(d_values));
    auto d_normed = back("self_attn.q_proj", d_queries);
    block_.back.at("self_attn.k_proj").add_(d_keys, d_normed);
    block_.back.at("self_attn.v_proj").add_(d_values, d_normed);
    add_norm_gradient_(x, d_normed, block_.forward.input_layernorm, config_.rms_norm_eps, d_middle);
    return d_middle;
  }

 private:
  // dy, the gradient by norm(x), taken back to x.
  at::Tensor norm_back(const at::Tensor& x, const Norm& norm, const at::Tensor& dy) const {
    auto dx = at::zeros_like(x);
    add_norm_gradient_(x, dy, norm, config_.rms_norm_eps, dx);
    return dx;
  }

  // A norm of every head, in place; what it was before is kept for the way back.
  void norm_heads_(at::Tensor& x, const at::Tensor& weight, at::Tensor& plain) const {
    if (!weight.defined()) return;
    plain = x.clone();
    kernels::rms_norm(plain.const_data_ptr<float>(), x.numel() / config_.head_dim, floats(weight),
                      config_.rms_norm_eps, x.mutable_data_ptr<float>());
  }

  // d, the gradient by a norm's result, becomes that by its input.
  void norm_heads_back_(const at::Tensor& plain, const at::Tensor& weight, at::Tensor& d) const {
    if (!weight.defined()) return;
    auto d_plain = at::zeros_like(d);
    kernels::add_rms_norm_gradient(plain.const_data_ptr<float>(), d.const_data_ptr<float>(),
                                   d.numel() / config_.head_dim, floats(weight),
                                   config_.rms_norm_eps, d_plain.mutable_data_ptr<float>());
    d = d_plain;
  }

  at::Tensor back(std::string_view linear, const at::Tensor& dy) const {
    return block_.back.at(linear)(dy);
  }

  // The same steps as block_forward (model/block.h), up to the input of down_proj.
  BlockStates forward(const at::Tensor& x, const kernels::RotaryTable& rotary,
                      const std::vector<int32_t>& positions) const {
    const int64_t rows = x.size(0);
    const Block& block = block_.forward;
    BlockStates s;
    s.normed = normed(x, block.input_layernorm, config_);
    s.queries = block.q_proj(s.normed);
    s.keys = block.k_proj(s.normed);
    s.values = block.v_proj(s.normed);
    norm_heads_(s.queries, block.head_norms.q, s.plain_queries);
    norm_heads_(s.keys, block.head_norms.k, s.plain_keys);
    rotary.rotate_(s.queries.mutable_data_ptr<float>(), rows, shape_.num_heads, positions);
    rotary.rotate_(s.keys.mutable_data_ptr<float>(), rows, shape_.num_kv_heads, positions);
    s.attended = at::empty_like(s.queries);
    const kernels::QueryRun run{.queries = s.queries.const_data_ptr<float>(),
                                .out = s.attended.mutable_data_ptr<float>(),
                                .num_rows = rows,
                                .first_position = 0,
                                .path = {{.keys = s.keys.const_data_ptr<float>(),
                                          .values = s.values.const_data_ptr<float>(),
                                          .num_rows = rows}}};
    kernels::attention(shape_, {&run, 1});
    s.middle = x.clone();
    if (block.attention_output_norm.weight.defined()) {
      s.attention = block.o_proj(s.attended);
      s.middle.add_(normed(s.attention, block.attention_output_norm, config_));
    } else {
      block.o_proj.add_(s.attended, s.middle);
    }
    s.mlp_normed = normed(s.middle, block.post_attention_layernorm, config_);
    s.gate = block.gate_proj(s.mlp_normed);
    s.up = block.up_proj(s.mlp_normed);
    s.activated = s.gate.clone();
    kernels::activate_times_(config_.hidden_act, s.activated.mutable_data_ptr<float>(),
                             s.up.const_data_ptr<float>(), s.up.numel());
    return s;
  }

  const TwoWayBlock& block_;
  const ModelConfig& config_;
  kernels::AttentionShape shape_;
};

// The last norm, the head and the loss.
class HeadGradient {
 public:
  explicit HeadGradient(const Checkpoint& checkpoint) : config_(checkpoint.config()) {
    const std::string name =
        checkpoint.config().tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight";
    const auto weight = checkpoint.tensor(name);
    forward_ = Linear(weight);
    back_ = Linear(weight.t().contiguous());
    norm_ = load_norm(checkpoint, "model.norm");
  }

  // hidden [length, hidden_size] becomes the loss's gradient by it; returns the loss.
  double run_(at::Tensor& hidden, const std::vector<int32_t>& ids) const {
    const auto targets = static_cast<int64_t>(ids.size()) - 1;
    const auto states = hidden.narrow(0, 0, targets).clone();
    const auto rows = normed(states, norm_, config_);
    auto d_rows = at::empty_like(rows);
    std::vector<double> losses(static_cast<size_t>(targets));
    for (int64_t first = 0; first < targets; first += kLogitRows) {
      const int64_t count = std::min(kLogitRows, targets - first);
      auto logits = forward_(rows.narrow(0, first, count));
      parallel_for(count, [&](int64_t r) {
        const int32_t target = ids[static_cast<size_t>(first + r + 1)];
        losses[static_cast<size_t>(first + r)] = cross_entropy_gradient_(
            logits.mutable_data_ptr<float>() + r * logits.size(1), logits.size(1), target, targets);
      });
      auto d_block = d_rows.narrow(0, first, count);
      back_.write_(logits, d_block);
    }
    hidden.zero_();  // the last row has no target
    auto d_hidden = hidden.narrow(0, 0, targets);
    add_norm_gradient_(states, d_rows, norm_, config_.rms_norm_eps, d_hidden);
    return std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(targets);
  }

 private:
  // logits becomes (softmax - [target]) / num_targets; returns -log softmax[target].
  static double cross_entropy_gradient_(float* logits, int64_t count, int32_t target,
                                        int64_t num_targets) {
    const double max = *std::max_element(logits, logits + count);
    const double at_target = logits[target];
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) {
      const double e = std::exp(static_cast<double>(logits[i]) - max);
      sum += e;
      logits[i] = static_cast<float>(e);
    }
    const double n = static_cast<double>(num_targets), share = 1 / (sum * n);
    for (int64_t i = 0; i < count; ++i)
      logits[i] = static_cast<float>(static_cast<double>(logits[i]) * share);
    // For a likely target softmax - 1 cancels: taken in float64.
    logits[target] = static_cast<float>((std::exp(at_target - max) / sum - 1) / n);
    return max + std::log(sum) - at_target;
  }

  ModelConfig config_;
  Linear forward_, back_;
  Norm norm_;
};

double block_products(const ModelConfig& c) {  // multiply-adds of a token
  return static_cast<double>(c.hidden_size) *
         static_cast<double>(c.head_dim * (2 * c.num_attention_heads + 2 * c.num_key_value_heads) +
                             3 * c.intermediate_size);
}

double down_products(const ModelConfig& c) {
  return static_cast<double>(c.hidden_size) * static_cast<double>(c.intermediate_size);
}

double gflop(double products, size_t tokens) {
  return 2 * products * static_cast<double>(tokens) / 1e9;
}

// One run: where the states lie and how far the work is.
class Run {
 public:
  Run(const Checkpoint& checkpoint, const std::vector<std::vector<int32_t>>& sequences,
      const GradientSink& sink, const GradientOptions& options)
      : checkpoint_(checkpoint),
        config_(checkpoint.config()),
        sequences_(sequences),
        sink_(sink),
        options_(options),
        boundaries_(config_, sequences, options) {
    int64_t tokens = 0;
    for (const auto& ids : sequences) tokens += static_cast<int64_t>(ids.size());
    total_ = gradient_gflop(config_, tokens);
  }

  std::vector<double> run() {
    embed_all();
    for (int64_t layer = 0; layer < config_.num_hidden_layers; ++layer)
      in_context(layer_name(layer), [&] { forward(layer); });
    std::vector<double> losses = head();
    for (int64_t layer = config_.num_hidden_layers - 1; layer >= 0; --layer)
      in_context(layer_name(layer), [&] { backward(layer); });
    return losses;
  }

 private:
  void embed_all() {
    const auto embedding = load_embedding(checkpoint_);
    for (size_t sample = 0; sample < sequences_.size(); ++sample) {
      in_context("sample " + std::to_string(sample), [&] {
        boundaries_.at(0, sample).copy_(
            embed(embedding, config_, forest_of_sequences({sequences_[sample]})));
      });
      boundaries_.let_go(0, sample);
    }
  }

  void forward(int64_t layer) {
    const Block block = load_block(checkpoint_, layer);
    for (size_t sample = 0; sample < sequences_.size(); ++sample) {
      const auto out = block_forward(block, config_, forest_of_sequences({sequences_[sample]}),
                                     boundaries_.at(layer, sample));
      require(is_finite(out), "the hidden states of sample ", sample, " are not finite");
      boundaries_.at(layer + 1, sample).copy_(out);
      boundaries_.let_go(layer, sample);
      boundaries_.let_go(layer + 1, sample);
      advance(block_products(config_), sample, "forward, layer " + of_layers(layer));
    }
  }

  std::vector<double> head() {
    const HeadGradient head(checkpoint_);
    std::vector<double> losses;
    for (size_t sample = 0; sample < sequences_.size(); ++sample) {
      auto states = boundaries_.at(config_.num_hidden_layers, sample);
      losses.push_back(head.run_(states, sequences_[sample]));
      require(std::isfinite(losses.back()) && is_finite(states), "the loss of sample ", sample,
              " or its gradient is not finite");
      boundaries_.let_go(config_.num_hidden_layers, sample);
      advance(
          2 * static_cast<double>(config_.vocab_size) * static_cast<double>(config_.hidden_size),
          sample, "loss");
    }
    return losses;
  }

  void backward(int64_t layer) {
    const TwoWayBlock block = load_two_way(checkpoint_, layer);
    std::map<std::string_view, GradientSums> sums;
    for (const std::string_view linear : block_linear_names(config_, layer)) {
      const Linear& back = block.back.at(linear);
      sums.try_emplace(linear, back.in_features(), back.out_features(), options_.reference_scale);
    }
    const BlockGradient gradient(block, config_);
    for (size_t sample = 0; sample < sequences_.size(); ++sample) {
      const auto d_in = gradient.run(
          boundaries_.at(layer, sample), boundaries_.at(layer + 1, sample),
          [&](std::string_view linear, const at::Tensor& g) { sums.at(linear).add(g); });
      require(is_finite(d_in), "the gradient of sample ", sample, " is not finite");
      boundaries_.at(layer, sample).copy_(d_in);
      boundaries_.let_go(layer, sample);
      boundaries_.let_go(layer + 1, sample);
      advance(3 * block_products(config_) - down_products(config_), sample,
              "backward, layer " + of_layers(layer));
    }
    for (const std::string_view linear : block_linear_names(config_, layer))
      in_context(linear, [&] { sink_(layer, linear, sums.at(linear).finish()); });
  }

  std::string of_layers(int64_t layer) const {
    return std::to_string(layer + 1) + " of " + std::to_string(config_.num_hidden_layers);
  }

  void advance(double products, size_t sample, const std::string& stage) {
    done_ += gflop(products, sequences_[sample].size());
    if (options_.on_progress) options_.on_progress(done_, total_, stage);
  }

  const Checkpoint& checkpoint_;
  const ModelConfig& config_;
  const std::vector<std::vector<int32_t>>& sequences_;
  const GradientSink& sink_;
  const GradientOptions& options_;
  Boundaries boundaries_;
  double done_ = 0, total_ = 0;
};

}  // namespace

GradientSums::GradientSums(int64_t out_features, int64_t in_features,
                           std::optional<double> reference_scale)
    : scale_(reference_scale),
      l1_(at::zeros({out_features, in_features}, at::kFloat)),
      squares_(at::zeros({out_features, in_features}, at::kFloat)) {}

void GradientSums::add(const at::Tensor& gradient) {
  require(gradient.sizes() == l1_.sizes() && gradient.scalar_type() == at::kFloat,
          "gradient sums: expected float32 ", l1_.sizes(), ", got ", gradient.scalar_type(), " ",
          gradient.sizes());
  const auto contiguous = gradient.contiguous();
  const float* g = contiguous.const_data_ptr<float>();
  float *l1 = l1_.mutable_data_ptr<float>(), *squares = squares_.mutable_data_ptr<float>();
  const int64_t count = l1_.numel();
  parallel_for((count + kRange - 1) / kRange, [&](int64_t range) {
    const int64_t first = range * kRange, last = std::min(count, first + kRange);
    if (scale_) return add_as_reference(g, first, last, l1, squares);
    for (int64_t i = first; i < last; ++i) {
      l1[i] += std::abs(g[i]);
      squares[i] += g[i] * g[i];
    }
  });
}

void GradientSums::add_as_reference(const float* g, int64_t first, int64_t last, float* l1,
                                    float* squares) const {
  const auto half = [](float value) { return static_cast<float>(c10::Half(value)); };
  for (int64_t i = first; i < last; ++i) {
    const float scaled = std::abs(half(g[i]) * static_cast<float>(*scale_));
    l1[i] = half(l1[i] + half(scaled));
    squares[i] += scaled * scaled;
  }
}

GradientAggregate GradientSums::finish() const {
  const auto type = scale_ ? at::kHalf : at::kFloat;
  const GradientAggregate result{l1_.to(type), squares_.sqrt().to(type)};
  require(is_finite(result.l1) && is_finite(result.l2), "the gradient is not finite",
          scale_ ? " in float16" : "");
  return result;
}

uint64_t gradient_state_bytes(const ModelConfig& config, int64_t tokens) {
  return sizeof(float) * static_cast<uint64_t>(config.num_hidden_layers + 1) *
         static_cast<uint64_t>(tokens) * static_cast<uint64_t>(config.hidden_size);
}

double gradient_gflop(const ModelConfig& config, int64_t tokens) {
  const double blocks = static_cast<double>(config.num_hidden_layers) *
                        (4 * block_products(config) - down_products(config));
  const double head =
      2 * static_cast<double>(config.vocab_size) * static_cast<double>(config.hidden_size);
  return gflop(blocks + head, static_cast<size_t>(tokens));
}

void require_gradients(const ModelConfig& c) {
  const auto none = [&](bool has, std::string_view what) {
    require(!has, "gradients are not computed through ", what, " (model type ", c.model_type, ")");
  };
  none(c.norm == NormKind::kLayer, "layer norms");
  none(!c.gated_mlp, "an MLP without a gate");
  none(c.parallel_residual, "attention and MLP side by side");
  none(c.positions != PositionKind::kRotary, "positions that are not rotary");
  none(rotary_width(c) != c.head_dim, "heads that turn in part");
  none(c.attn_logit_softcapping > 0 || c.final_logit_softcapping > 0, "capped scores");
  none(c.experts.num_experts > 0, "experts");
}

std::vector<double> aggregate_gradients(const Checkpoint& checkpoint,
                                        const std::vector<std::vector<int32_t>>& sequences,
                                        const GradientSink& sink, const GradientOptions& options) {
  require_gradients(checkpoint.config());
  require(!sequences.empty(), "gradients: no calibration sequence");
  for (size_t sample = 0; sample < sequences.size(); ++sample) {
    require(sequences[sample].size() >= 2, "gradients: sample ", sample, " has ",
            sequences[sample].size(), " tokens; a loss needs 2");
  }
  return Run(checkpoint, sequences, sink, options).run();
}

}  // namespace assay
