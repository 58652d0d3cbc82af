#pragma once
// The pickle of a state_dict, as torch.save writes it. Nothing is executed: a pickle names
// functions to call, and this reader knows what those of torch that rebuild a tensor mean; every
// other name is refused.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/dtype.h"

namespace assay {

// A tensor as a view of a storage; all in elements.
struct PickledTensor {
  std::string name;
  const Dtype* dtype;
  std::string storage;  // its key: the file data/KEY of the archive
  uint64_t storage_size;
  uint64_t offset;
  std::vector<uint64_t> shape, strides;  // of equal length
};

constexpr uint64_t kMaxPickleBytes = uint64_t{1} << 26;

// The tensors of a state_dict (a dict or OrderedDict of text to tensor or parameter) in its order.
// Error(kBadInput) names a function, class or opcode that a state_dict has no need of, and an entry
// that is no tensor; Error(kCorruptFile) what is malformed.
std::vector<PickledTensor> parse_state_dict(std::span<const std::byte> pickle);

}  // namespace assay
