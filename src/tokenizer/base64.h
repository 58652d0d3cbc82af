#pragma once
// Base64 with padding (RFC 4648, section 4).

#include <string>
#include <string_view>

namespace assay {

std::string to_base64(std::string_view bytes);

// Error(kCorruptFile) on a character outside of the alphabet or a wrong length.
std::string from_base64(std::string_view text);

}  // namespace assay
