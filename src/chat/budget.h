#pragma once
// What a template may cost: it comes with a checkpoint, and may be written to hang or to fill the
// memory.

#include <cstdint>
#include <stdexcept>
#include <string>

#include "base/error.h"

namespace assay::jinja {

struct Limits {
  uint64_t max_work = uint64_t{1} << 28;  // units, below; a real template takes some 10^5
  size_t max_output = size_t{1} << 24;    // bytes of the rendered text
  int max_depth = 400;                    // of nested statements, expressions and macro calls
};

// A fault without its place: the interpreter adds the line.
struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class... Parts>
[[noreturn]] void fault(const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw Fault(message.str());
}

// Units: 1 for a byte of text that is made or searched, kStepWork for a statement or expression,
// kElementWork for an element of a list or dict. So the units bound time and memory alike.
constexpr uint64_t kStepWork = 16;
constexpr uint64_t kElementWork = 64;

class Budget {
 public:
  explicit Budget(uint64_t max_work) : left_(max_work) {}
  void spend(uint64_t units) {
    if (units > left_) fault("the template does more work than is allowed");
    left_ -= units;
  }

 private:
  uint64_t left_;
};

// Text that grows at the budget's cost.
class TextBuilder {
 public:
  explicit TextBuilder(Budget& budget) : budget_(budget) {}
  TextBuilder& add(std::string_view part) {
    budget_.spend(part.size());
    text_ += part;
    return *this;
  }
  TextBuilder& add(size_t count, char c) {
    budget_.spend(count);
    text_.append(count, c);
    return *this;
  }
  const std::string& text() const { return text_; }
  std::string take() { return std::move(text_); }

 private:
  Budget& budget_;
  std::string text_;
};

}  // namespace assay::jinja
