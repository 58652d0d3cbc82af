#pragma once
// Text whose letters and blanks are ASCII; bytes of other characters stay as they are.

#include <string>
#include <string_view>

namespace assay {

std::string lowered(std::string_view text);
std::string_view trimmed(std::string_view text);  // without white space at both ends

}  // namespace assay
