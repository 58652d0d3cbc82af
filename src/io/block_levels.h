#pragma once
// Levels of the 4-bit types that are no multiples of a step, by code.

#include <array>

namespace assay {

// IQ4_NL and IQ4_XS, in steps of their scale.
inline constexpr std::array<float, 16> kIq4Levels{-127, -104, -83, -65, -49, -35, -22, -10,
                                                  1,    13,   25,  38,  53,  69,  89,  113};

// MXFP4 and NVFP4: twice the values of an E2M1 float.
inline constexpr std::array<float, 16> kTwiceE2m1{0, 1,  2,  3,  4,  6,  8,  12,
                                                  0, -1, -2, -3, -4, -6, -8, -12};

}  // namespace assay
