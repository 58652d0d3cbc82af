#pragma once
// Text of models and data sets, made safe to show: broken UTF-8, control characters and characters
// that reorder their surroundings lose their power before any format sees them.

#include <cstddef>
#include <string>
#include <string_view>

namespace assay::report {

// Well-formed UTF-8 with the same readable content. Each maximal ill-formed sequence (Unicode 15,
// section 3.9), each NUL and each other control character except tab and newline becomes U+FFFD;
// "\r\n" and "\r" become "\n"; the characters that override or embed writing direction (U+202A..E,
// U+2066..9) become their visible names, "[U+202E]".
std::string clean_text(std::string_view text);

// The same on one line: newlines and tabs become spaces.
std::string clean_line(std::string_view text);

// Columns that a terminal uses for clean text: wide characters count 2, combining ones 0.
size_t display_width(std::string_view clean);

// At most `width` columns of clean text; "…" at the end where something was cut. width >= 1.
std::string cut_to_width(std::string_view clean, size_t width);

}  // namespace assay::report
