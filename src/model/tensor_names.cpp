#include "model/tensor_names.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <mutex>
#include <set>
#include <tuple>

namespace assay {
namespace {

using Names = std::vector<std::string_view>;

constexpr std::array<std::string_view, 4> kAttention{"self_attn.q_proj", "self_attn.k_proj",
                                                     "self_attn.v_proj", "self_attn.o_proj"};
constexpr std::array<std::string_view, 3> kGated{"gate_proj", "up_proj", "down_proj"};
constexpr std::array<std::string_view, 2> kPlain{"fc1", "fc2"};
constexpr std::string_view kLayers = "model.layers.", kExperts = "mlp.experts.",
                           kSharedExpert = "mlp.shared_expert.";

// "3.mlp.up_proj" -> 3, "mlp.up_proj"; nothing for another form.
std::optional<std::pair<int64_t, std::string_view>> after_number(std::string_view text) {
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest == end || *rest != '.') return std::nullopt;
  return std::pair(number, std::string_view(rest + 1, static_cast<size_t>(end - rest) - 1));
}

// [out, in] of a part of an MLP.
std::vector<int64_t> mlp_shape(std::string_view part, int64_t hidden, int64_t inner) {
  if (part == "down_proj" || part == "fc2") return {hidden, inner};
  return {inner, hidden};
}

Names linear_names(const ModelConfig& c, MlpKind mlp) {
  Names names(kAttention.begin(), kAttention.end());
  const auto add = [&](const std::string& prefix, std::span<const std::string_view> parts) {
    for (const auto part : parts) names.push_back(lasting_name(prefix + std::string(part)));
  };
  if (mlp == MlpKind::kPlain) {
    add("mlp.", c.gated_mlp ? std::span<const std::string_view>(kGated) : kPlain);
    return names;
  }
  for (int64_t e = 0; e < c.experts.num_experts; ++e)
    add(std::string(kExperts) + std::to_string(e) + ".", kGated);
  if (c.experts.shared_expert_intermediate_size > 0) add(std::string(kSharedExpert), kGated);
  return names;
}

// Collects the tensors of one block.
class BlockTensors {
 public:
  BlockTensors(const ModelConfig& config, int64_t layer)
      : c_(config), prefix_(std::string(kLayers) + std::to_string(layer) + ".") {}

  void norm(std::string_view name, NormKind kind) {
    add(name, ".weight", {c_.hidden_size});
    if (kind == NormKind::kLayer) add(name, ".bias", {c_.hidden_size});
  }
  void linear(std::string_view name) {
    const auto shape = linear_shape(name, c_);
    add(name, ".weight", shape);
    if (has_bias(name, c_)) add(name, ".bias", {shape[0]});
  }
  void add(std::string_view name, std::string_view ending, std::vector<int64_t> shape) {
    tensors_.push_back({prefix_ + std::string(name) + std::string(ending), std::move(shape)});
  }

  std::vector<ExpectedTensor> take() { return std::move(tensors_); }

 private:
  const ModelConfig& c_;
  std::string prefix_;
  std::vector<ExpectedTensor> tensors_;
};

}  // namespace

std::string_view lasting_name(const std::string& name) {
  static std::mutex mutex;
  static std::set<std::string, std::less<>> names;
  const std::lock_guard lock(mutex);
  return *names.insert(name).first;
}

std::span<const std::string_view> block_linear_names(const ModelConfig& c, MlpKind mlp) {
  using Key = std::tuple<bool, int64_t, bool>;
  static std::mutex mutex;
  static std::map<Key, Names> lists;
  const bool experts = mlp == MlpKind::kExperts;
  const Key key{c.gated_mlp, experts ? c.experts.num_experts : 0,
                experts && c.experts.shared_expert_intermediate_size > 0};
  const std::lock_guard lock(mutex);
  const auto found = lists.find(key);
  return found != lists.end() ? found->second
                              : lists.emplace(key, linear_names(c, mlp)).first->second;
}

std::span<const std::string_view> block_linear_names(const ModelConfig& c, int64_t layer) {
  return block_linear_names(c, mlp_kind(c, layer));
}

std::span<const std::string_view> block_linear_names() {
  static const Names names = linear_names({}, MlpKind::kPlain);
  return names;
}

std::vector<int64_t> linear_shape(std::string_view linear, const ModelConfig& c) {
  const int64_t q = c.num_attention_heads * c.head_dim, kv = c.num_key_value_heads * c.head_dim;
  if (linear == "self_attn.q_proj") return {q, c.hidden_size};
  if (linear == "self_attn.o_proj") return {c.hidden_size, q};
  if (linear.starts_with("self_attn.")) return {kv, c.hidden_size};
  if (const auto of = expert_part(linear))
    return mlp_shape(of->part, c.hidden_size, c.experts.moe_intermediate_size);
  if (linear.starts_with(kSharedExpert)) {
    return mlp_shape(linear.substr(kSharedExpert.size()), c.hidden_size,
                     c.experts.shared_expert_intermediate_size);
  }
  return mlp_shape(linear.substr(std::string_view("mlp.").size()), c.hidden_size,
                   c.intermediate_size);
}

std::string linear_weight_name(int64_t layer, std::string_view linear) {
  return std::string(kLayers) + std::to_string(layer) + "." + std::string(linear) + ".weight";
}

std::string linear_bias_name(int64_t layer, std::string_view linear) {
  return std::string(kLayers) + std::to_string(layer) + "." + std::string(linear) + ".bias";
}

bool has_bias(std::string_view linear, const ModelConfig& c) {
  if (linear == "self_attn.o_proj") return c.o_bias;
  if (linear.starts_with("self_attn.")) return c.qkv_bias;
  const bool is_expert = expert_part(linear) || linear.starts_with(kSharedExpert);
  return c.mlp_bias && !is_expert;
}

std::vector<ExpectedTensor> outer_tensors(const ModelConfig& c) {
  std::vector<ExpectedTensor> tensors{{"model.embed_tokens.weight", {c.vocab_size, c.hidden_size}}};
  const auto norm = [&](const std::string& name) {
    tensors.push_back({name + ".weight", {c.hidden_size}});
    if (c.norm == NormKind::kLayer) tensors.push_back({name + ".bias", {c.hidden_size}});
  };
  if (c.positions == PositionKind::kLearned) {
    tensors.push_back({"model.position_embeddings.weight",
                       {c.max_position_embeddings + c.position_offset, c.hidden_size}});
  }
  if (c.embedding_norm) norm("model.embedding_norm");
  norm("model.norm");
  if (!c.tie_word_embeddings) tensors.push_back({"lm_head.weight", {c.vocab_size, c.hidden_size}});
  return tensors;
}

std::vector<ExpectedTensor> block_tensors(const ModelConfig& c, int64_t layer) {
  BlockTensors block(c, layer);
  const auto linears = block_linear_names(c, layer);
  block.norm("input_layernorm", c.norm);
  for (const auto name : linears.first(3)) block.linear(name);
  if (c.qk_norm) {
    block.add("self_attn.q_norm", ".weight", {c.head_dim});
    block.add("self_attn.k_norm", ".weight", {c.head_dim});
  }
  block.linear(linears[3]);
  if (c.output_norms) block.norm("attention_output_norm", c.norm);
  if (!c.shared_norm) block.norm("post_attention_layernorm", c.norm);
  if (mlp_kind(c, layer) == MlpKind::kExperts) {
    block.add("mlp.gate", ".weight", {c.experts.num_experts, c.hidden_size});
    if (c.experts.shared_expert_intermediate_size > 0)
      block.add("mlp.shared_expert_gate", ".weight", {1, c.hidden_size});
  }
  for (const auto name : linears.subspan(4)) block.linear(name);
  if (c.output_norms) block.norm("mlp_output_norm", c.norm);
  return block.take();
}

std::vector<ExpectedTensor> all_tensors(const ModelConfig& config) {
  auto tensors = outer_tensors(config);
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    for (auto& tensor : block_tensors(config, layer)) tensors.push_back(std::move(tensor));
  }
  return tensors;
}

int64_t num_weights(const ModelConfig& config) {
  int64_t sum = 0;
  for (const auto& [name, shape] : all_tensors(config)) {
    int64_t elements = 1;
    for (const int64_t dim : shape) elements *= dim;
    sum += elements;
  }
  return sum;
}

std::optional<BlockPart> block_part(std::string_view name) {
  if (!name.starts_with(kLayers)) return std::nullopt;
  const auto found = after_number(name.substr(kLayers.size()));
  if (!found) return std::nullopt;
  return BlockPart{found->first, found->second};
}

std::optional<ExpertPart> expert_part(std::string_view linear) {
  if (!linear.starts_with(kExperts)) return std::nullopt;
  const auto found = after_number(linear.substr(kExperts.size()));
  if (!found) return std::nullopt;
  return ExpertPart{found->first, found->second};
}

std::string role_of(std::string_view name) {
  constexpr std::string_view kModel = "model.", kWeight = ".weight";
  const auto block = block_part(name);
  if (block) {
    name = block->part;
  } else if (name.starts_with(kModel)) {
    name.remove_prefix(kModel.size());
  }
  if (name.ends_with(kWeight)) name.remove_suffix(kWeight.size());
  const auto expert = expert_part(name);
  return expert ? std::string(kExperts) + std::string(expert->part) : std::string(name);
}

bool is_block_linear(std::string_view name) {
  constexpr std::string_view kWeight = ".weight";
  const auto found = block_part(name);
  if (!found || !found->part.ends_with(kWeight)) return false;
  auto linear = found->part;
  linear.remove_suffix(kWeight.size());
  const auto is_one_of = [&](std::string_view prefix, std::span<const std::string_view> parts) {
    return linear.starts_with(prefix) &&
           std::ranges::find(parts, linear.substr(prefix.size())) != parts.end();
  };
  const auto expert = expert_part(linear);
  return std::ranges::find(kAttention, linear) != kAttention.end() || is_one_of("mlp.", kGated) ||
         is_one_of("mlp.", kPlain) || is_one_of(kSharedExpert, kGated) ||
         (expert && std::ranges::find(kGated, expert->part) != kGated.end());
}

}  // namespace assay
