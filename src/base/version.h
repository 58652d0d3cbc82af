#pragma once

#include <string_view>

namespace assay {

// Of this program, "0.1.0": part of every provenance and of the keys under which answers are kept.
std::string_view version();

}  // namespace assay
