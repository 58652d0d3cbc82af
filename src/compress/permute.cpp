#include "compress/permute.h"

#include <ATen/ATen.h>

#include <array>
#include <charconv>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "base/error.h"

namespace assay {
namespace {

enum class Units { kOther, kHidden, kMlp };

// What the axes of a tensor count, by the end of its name.
struct Axes {
  std::string_view suffix;
  std::array<Units, 2> units;  // vectors have only the first
};
constexpr std::array kAxes{
    Axes{"embed_tokens.weight", {Units::kOther, Units::kHidden}},
    Axes{"position_embeddings.weight", {Units::kOther, Units::kHidden}},
    Axes{"lm_head.weight", {Units::kOther, Units::kHidden}},
    Axes{".q_norm.weight", {Units::kOther, Units::kOther}},
    Axes{".k_norm.weight", {Units::kOther, Units::kOther}},
    Axes{"norm.weight", {Units::kHidden, Units::kOther}},
    Axes{"norm.bias", {Units::kHidden, Units::kOther}},
    Axes{"self_attn.q_proj.weight", {Units::kOther, Units::kHidden}},
    Axes{"self_attn.k_proj.weight", {Units::kOther, Units::kHidden}},
    Axes{"self_attn.v_proj.weight", {Units::kOther, Units::kHidden}},
    Axes{"self_attn.o_proj.weight", {Units::kHidden, Units::kOther}},
    Axes{"self_attn.q_proj.bias", {Units::kOther, Units::kOther}},
    Axes{"self_attn.k_proj.bias", {Units::kOther, Units::kOther}},
    Axes{"self_attn.v_proj.bias", {Units::kOther, Units::kOther}},
    Axes{"self_attn.o_proj.bias", {Units::kHidden, Units::kOther}},
    // Of an MLP, or of an expert: all experts of a layer are put in one order.
    Axes{".gate_proj.weight", {Units::kMlp, Units::kHidden}},
    Axes{".up_proj.weight", {Units::kMlp, Units::kHidden}},
    Axes{".down_proj.weight", {Units::kHidden, Units::kMlp}},
    Axes{".gate_proj.bias", {Units::kMlp, Units::kOther}},
    Axes{".up_proj.bias", {Units::kMlp, Units::kOther}},
    Axes{".down_proj.bias", {Units::kHidden, Units::kOther}},
    Axes{"mlp.fc1.weight", {Units::kMlp, Units::kHidden}},
    Axes{"mlp.fc2.weight", {Units::kHidden, Units::kMlp}},
    Axes{"mlp.fc1.bias", {Units::kMlp, Units::kOther}},
    Axes{"mlp.fc2.bias", {Units::kHidden, Units::kOther}},
    Axes{"mlp.gate.weight", {Units::kOther, Units::kHidden}},
    Axes{"mlp.shared_expert_gate.weight", {Units::kOther, Units::kHidden}},
};

uint64_t draw_below(std::mt19937_64& generator, uint64_t n) {
  const uint64_t limit =
      std::numeric_limits<uint64_t>::max() - std::numeric_limits<uint64_t>::max() % n;
  uint64_t draw = generator();
  while (draw >= limit) draw = generator();
  return draw % n;
}

// "model.layers.3.mlp.up_proj.weight" -> 3
uint64_t layer_of(std::string_view name) {
  constexpr std::string_view kPrefix = "model.layers.";
  uint64_t layer = 0;
  const auto digits = name.substr(name.starts_with(kPrefix) ? kPrefix.size() : name.size());
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), layer);
  require(parsed.ec == std::errc(), "permute: no layer number in tensor name '", name, "'");
  return layer;
}

}  // namespace

at::Tensor seeded_order(int64_t n, uint64_t seed, uint64_t stream) {
  require(n > 0, "permute: cannot order ", n, " units");
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 generator(seed + stream * 0x9e3779b97f4a7c15u);
  for (size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[draw_below(generator, i)]);
  return at::tensor(order, at::kLong);
}

at::Tensor permute_tensor(std::string_view name, const at::Tensor& tensor,
                          const PermuteConfig& config) {
  const auto axes =
      std::ranges::find_if(kAxes, [&](const Axes& a) { return name.ends_with(a.suffix); });
  require(axes != kAxes.end(), "permute: tensor '", name, "' is not one whose units are known");
  at::Tensor permuted = tensor;
  for (int64_t axis = 0; axis < tensor.dim(); ++axis) {
    const Units units = axes->units[static_cast<size_t>(axis)];
    if (units == Units::kHidden && config.units != PermutedUnits::kMlp) {
      permuted = permuted.index_select(axis, seeded_order(tensor.size(axis), config.seed, 0));
    } else if (units == Units::kMlp && config.units != PermutedUnits::kHidden) {
      permuted = permuted.index_select(
          axis, seeded_order(tensor.size(axis), config.seed, layer_of(name) + 1));
    }
  }
  return permuted;
}

}  // namespace assay
