#include "app/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace assay::app {

size_t terminal_width() {
  constexpr size_t kWithoutTerminal = 100;
  winsize size{};
  const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kWithoutTerminal;
}

report::Colours terminal_colours() {
  const bool wanted = isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  return wanted ? report::Colours::kAnsi : report::Colours::kNone;
}

}  // namespace assay::app
