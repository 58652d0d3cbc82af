#include "model/packed_tensor.h"

#include <ATen/ATen.h>

#include "base/hash.h"

namespace assay {
namespace {

void let_go(const PackedTensor& packed) {
  for (const auto& [name, part] : packed.parts) packed.mappings.at(name)->let_go(part.bytes);
}

}  // namespace

uint64_t stored_bytes(const PackedTensor& packed) {
  uint64_t bytes = 0;
  for (const auto& [name, part] : packed.parts) bytes += part.bytes.size();
  return bytes;
}

at::Tensor decode(const PackedTensor& packed) {
  auto decoded = at::empty({packed.shape.out_features, packed.shape.in_features}, at::kFloat);
  packed_values(packed.layout, packed.parts,
                {decoded.data_ptr<float>(), static_cast<size_t>(decoded.numel())});
  for (const auto& [name, mapping] : packed.mappings) mapping->require_unchanged();
  let_go(packed);
  return decoded;
}

std::string identity_of_parts(const PackedTensor& packed) {
  std::string text;
  for (const auto& [name, part] : packed.parts) {
    text += name + " " + std::string(part.dtype->name) + " " + shape_text(part.shape) + " " +
            sha256_hex(part.bytes) + " ";
  }
  let_go(packed);
  return text;
}

}  // namespace assay
