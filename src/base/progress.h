#pragma once
// Progress of long work on stderr: one live line with the time left on a terminal, a plain line
// every ten seconds elsewhere. Work is counted in units of equal cost, fixed before the start.

#include <chrono>
#include <cstdint>
#include <string>

namespace assay {

// "3 s", "2 min 05 s", "1 h 07 min"
std::string duration_text(double seconds);

class Progress {
 public:
  explicit Progress(double total_units);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();  // ends the live line

  // Units that an earlier run has already done: they count as done but say nothing about speed.
  void skip(double units);
  void add(double units);
  void stage(const std::string& text);  // what is being done now
  void note(const std::string& line);   // a whole line that stays

 private:
  void draw(bool is_forced);
  void clear_line() const;

  using Clock = std::chrono::steady_clock;
  bool live_;
  double total_, done_ = 0, skipped_ = 0;
  std::string stage_;
  Clock::time_point start_ = Clock::now(), last_drawn_;
};

}  // namespace assay
