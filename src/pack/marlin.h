#pragma once
// The layouts of the Marlin kernels, symmetric codes in the order in which the threads of a GPU
// read them.
//   dense, 4 bits   B I32 [in / 16, 2 * out], s F16 [G, out]; in % 128 = 0, out % 256 = 0
//   2:4 (marlin-24 of compressed-tensors), 4 or 8 bits   weight_packed I32 [in / 32, out * bits /
//   2],
//                   scale_packed F16 [G or 1, out], meta I16 [in / 32, 2 * out]: which two of every
//                   four inputs the codes belong to; in % 32 = 0, out % 64 = 0
// Tiles of 16 x 16 (of the [in, out] matrix of stored codes) lie one after another; every 1024
// codes are permuted, then packed into words.

#include <array>
#include <cstdint>
#include <string>

#include "pack/grid_codes.h"
#include "pack/parts.h"

namespace assay {

struct MarlinLayout {
  int64_t group_size = 128;  // or -1
};

struct Marlin24Layout {
  int64_t bits = 4;          // or 8
  int64_t group_size = 128;  // or -1
};

// Where stored code k of every 1024 comes from.
std::array<int16_t, 1024> marlin_permutation();
std::array<int16_t, 1024> marlin_24_permutation(int64_t bits);

// Error(kCorruptFile) names the part and both shapes.
LinearShape marlin_shape(const MarlinLayout& layout, const StoredParts& parts);
GridCodes marlin_unpack(const MarlinLayout& layout, const StoredParts& parts);

// A pruned weight has the code of 0.
LinearShape marlin_24_shape(const Marlin24Layout& layout, const StoredParts& parts);
GridCodes marlin_24_unpack(const Marlin24Layout& layout, const StoredParts& parts);

}  // namespace assay
