#pragma once
// Mixed precision: which linears get other bits than the rest.
//   bits: {default: 3, "layers.0.*": 8, "*.down_proj": 4}

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

struct BitsOverride {
  std::string tensors;  // a name like "layers.0.mlp.down_proj", * stands for any characters
  int64_t bits = 0;
};

// Whether `pattern` fits the whole name of a linear, given as in the checkpoint
// ("model.layers.0.mlp.down_proj.weight"): "model." and ".weight" are left out of the comparison.
bool fits_tensor(std::string_view pattern, std::string_view tensor);

// The bits of the first override that fits, else `fallback`.
int64_t bits_of_tensor(const std::vector<BitsOverride>& overrides, int64_t fallback,
                       std::string_view tensor);

}  // namespace assay
