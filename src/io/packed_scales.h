#pragma once
// The 6-bit scales of the K types, several to a few bytes: packing and its inverse side by side.

#include <cstddef>
#include <cstdint>
#include <span>

namespace assay {

// Q4_K and Q5_K: 8 scales and 8 minima (0..63) in 12 bytes. The first four stand in the low bits of
// bytes j and j + 4; of the others 4 bits lie in byte j + 4 and 2 above those of the first four.
struct ScaleAndMinimum {
  int scale, minimum;
};
ScaleAndMinimum scale_and_minimum(const std::byte* packed, size_t j);
void pack_scales_and_minima(std::span<const ScaleAndMinimum, 8> scales, std::byte* packed);

// Q3_K: 16 scales (-32..31, stored + 32) in 12 bytes: 4 bits in the nibbles of the first eight, 2
// in the last four.
int q3_scale(const std::byte* packed, size_t j);
void pack_q3_scales(std::span<const int, 16> scales, std::byte* packed);

}  // namespace assay
