#include "app/line_reader.h"

#include <iostream>

#include "base/error.h"

namespace assay::app {

LineReader::LineReader(const std::string& input)
    : name_(input == "-" ? "stdin" : input), stream_(&std::cin) {
  if (input == "-") return;
  file_.open(input);
  require(file_.is_open(), "cannot open '", input, "'");
  stream_ = &file_;
}

bool LineReader::next(std::string& line) {
  if (!std::getline(*stream_, line)) {
    require(stream_->eof(), "cannot read ", name_, " behind line ", line_number_);
    return false;
  }
  ++line_number_;
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return true;
}

std::string LineReader::where() const { return name_ + ":" + std::to_string(line_number_); }

}  // namespace assay::app
