#pragma once
// Strict UTF-8: no overlong forms, surrogates, or code points above U+10FFFF.

#include <cstddef>
#include <optional>
#include <string_view>

namespace assay {

// The offset of the first byte that does not belong to a well-formed sequence; nothing when all is
// well.
std::optional<size_t> first_invalid_utf8(std::string_view text);

}  // namespace assay
