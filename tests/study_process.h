#pragma once
// The program as a process that a test starts, kills and reads the results of.

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/json.h"

namespace assay {

namespace fs = std::filesystem;
using std::chrono::duration;
using std::chrono::steady_clock;

inline std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The program under way; stdout and stderr go to `log`.
inline pid_t start(std::vector<std::string> arguments, const fs::path& log) {
  arguments.insert(arguments.begin(), "assay");
  std::vector<char*> words;
  for (std::string& argument : arguments) words.push_back(argument.data());
  words.push_back(nullptr);
  const pid_t child = ::fork();
  if (child != 0) return child;
  const int to = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  ::dup2(to, STDOUT_FILENO);
  ::dup2(to, STDERR_FILENO);
  ::execv(ASSAY_BINARY, words.data());
  ::_exit(127);
}

inline pid_t start(const fs::path& study, const fs::path& output, const fs::path& log) {
  return start({"run", study, "--output", output}, log);
}

// The exit code, -1 where a signal ended it.
inline int wait_for(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Kills the child after `delay` unless it ends by itself before; whether it was killed.
inline bool kill_after(pid_t child, duration<double> delay) {
  const auto until = steady_clock::now() + delay;
  while (steady_clock::now() < until) {
    siginfo_t ended{};
    ::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOHANG | WNOWAIT);
    if (ended.si_pid == child) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ::kill(child, SIGKILL);
  return true;
}

// What a JSON results file says, apart from when and how it was made.
inline std::string without_run(const std::string& text) {
  Json results = parse_json(text, "results");
  if (results.contains("x_assay")) results["x_assay"].erase("run");
  return results.dump(1);
}

// Every result by its path in the folder: all files but the journal, which keeps the order of
// batches, and the page, which is made of summary.json with its times.
inline std::map<std::string, std::string> results_in(const fs::path& folder) {
  std::map<std::string, std::string> results;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = fs::relative(entry.path(), folder);
    if (!entry.is_regular_file() || name == ".lock" || name.starts_with("journal/")) continue;
    if (name == "report.html") continue;
    const std::string text = text_of(entry.path());
    results[name] = entry.path().extension() == ".json" ? without_run(text) : text;
  }
  return results;
}

}  // namespace assay
