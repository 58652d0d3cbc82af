#pragma once
// The element types of safetensors files, by the names that their headers use.

#include <array>
#include <cstdint>
#include <string_view>

namespace assay {

struct Dtype {
  std::string_view name;
  uint32_t bits;  // an element
};

inline constexpr std::array kDtypes{
    Dtype{"BOOL", 8},    Dtype{"U8", 8},      Dtype{"I8", 8},          Dtype{"F8_E5M2", 8},
    Dtype{"F8_E4M3", 8}, Dtype{"F8_E8M0", 8}, Dtype{"F8_E4M3FNUZ", 8}, Dtype{"F8_E5M2FNUZ", 8},
    Dtype{"I16", 16},    Dtype{"U16", 16},    Dtype{"F16", 16},        Dtype{"BF16", 16},
    Dtype{"I32", 32},    Dtype{"U32", 32},    Dtype{"F32", 32},        Dtype{"I64", 64},
    Dtype{"U64", 64},    Dtype{"F64", 64},    Dtype{"C64", 64},        Dtype{"F4", 4},
    Dtype{"F6_E2M3", 6}, Dtype{"F6_E3M2", 6},
};

// nullptr for an unknown name.
const Dtype* dtype_named(std::string_view name);

}  // namespace assay
