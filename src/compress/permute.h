#pragma once
// A negative control: the same function written with its units in another order. Permuting the
// channels of the residual stream in every tensor that reads or writes it, or the units of an MLP
// in gate, up and down, changes nothing in exact arithmetic; what moves after it is rounding, and a
// comparison that calls it worse is wrong.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>

namespace assay {

enum class PermutedUnits {
  kHidden,  // the hidden_size channels of the residual stream, one order for the whole model
  kMlp,     // the intermediate_size units of every MLP, an order for each layer
  kBoth
};

struct PermuteConfig {
  PermutedUnits units = PermutedUnits::kHidden;
  uint64_t seed = 0;
};

// A uniformly drawn order of 0 ... n-1: int64 [n], a function of n, seed and stream alone on every
// machine (Fisher-Yates from the top on std::mt19937_64, draws by rejection).
at::Tensor seeded_order(int64_t n, uint64_t seed, uint64_t stream);

// The tensor `name` of a model in the new order: out[.., i, ..] = in[..,
// order[i], ..] along every axis that carries permuted units. Error(kBadInput) on a name whose axes
// are not known.
at::Tensor permute_tensor(std::string_view name, const at::Tensor& tensor,
                          const PermuteConfig& config);

}  // namespace assay
