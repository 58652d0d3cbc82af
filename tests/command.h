#pragma once
// A shell command run to its end.

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <string>

namespace assay {

struct Ended {
  int exit_code = -1;  // -1: ended by a signal
  std::string text;    // stdout, and stderr where the command joins them
};

inline Ended run_command(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return {-1, "cannot run " + command};
  Ended ended;
  std::array<char, 4096> piece;
  for (size_t n = 0; (n = fread(piece.data(), 1, piece.size(), pipe)) > 0;) {
    ended.text.append(piece.data(), n);
  }
  const int status = pclose(pipe);
  if (WIFEXITED(status)) ended.exit_code = WEXITSTATUS(status);
  return ended;
}

}  // namespace assay
