#pragma once
// The lines of the plumbing commands: a file, or stdin for "-", one line at a time.

#include <fstream>
#include <istream>
#include <string>

namespace assay::app {

class LineReader {
 public:
  explicit LineReader(const std::string& input);  // Error(kBadInput) when it cannot be opened

  bool next(std::string& line);  // false at the end; Error(kBadInput) when reading fails
  std::string where() const;     // "FILE:LINE" of the line just read

 private:
  std::string name_;
  std::ifstream file_;
  std::istream* stream_;
  int64_t line_number_ = 0;
};

}  // namespace assay::app
