#pragma once
// What stdout can show.

#include <cstddef>

#include "report/terminal.h"

namespace assay::app {

size_t terminal_width();             // columns; 100 when stdout is no terminal
report::Colours terminal_colours();  // none when stdout is no terminal, or NO_COLOR is set

}  // namespace assay::app
