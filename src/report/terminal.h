#pragma once
// The summary as a table for a terminal: a row a variant, a column a primary outcome. It fits
// `width` columns: what does not fit side by side goes into further blocks under repeated variant
// names. Names that hold escape sequences are shown without them.

#include <cstddef>
#include <string>

#include "report/view.h"

namespace assay::report {

enum class Colours { kNone, kAnsi };

std::string terminal_table(const View& view, size_t width, Colours colours);

}  // namespace assay::report
