#pragma once
// A quantized linear of a folder: several tensors of its files that are one weight.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "pack/packed_layout.h"

namespace assay {

struct PackedTensor {
  PackedLayout layout;
  LinearShape shape;
  StoredParts parts;  // by name behind the module; their bytes lie in `mappings`
  std::map<std::string, std::shared_ptr<const MappedFile>> mappings;  // of each part
};

uint64_t stored_bytes(const PackedTensor& packed);  // of all parts

// Float32 [out_features, in_features]. The files' pages are let go.
at::Tensor decode(const PackedTensor& packed);

// "PART DTYPE [SHAPE] SHA256-OF-BYTES " for each part, by name: what the identity of the weights
// holds.
std::string identity_of_parts(const PackedTensor& packed);

}  // namespace assay
