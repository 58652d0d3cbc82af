#pragma once
// Text as Python's str sees it: a row of code points. All text here is well-formed UTF-8; work that
// can grow beyond its arguments is paid for.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"
#include "chat/budget.h"

namespace assay::jinja {

size_t count_code_points(std::string_view text);

// The code points of a text, each as its bytes: for (std::string_view c : code_points(text)).
class CodePoints {
 public:
  class Iterator {
   public:
    explicit Iterator(std::string_view left) : left_(left) {}
    std::string_view operator*() const { return left_.substr(0, size()); }
    Iterator& operator++() {
      left_.remove_prefix(size());
      return *this;
    }
    bool operator!=(const Iterator& other) const { return left_.size() != other.left_.size(); }

   private:
    size_t size() const;
    std::string_view left_;
  };
  explicit CodePoints(std::string_view text) : text_(text) {}
  Iterator begin() const { return Iterator(text_); }
  Iterator end() const { return Iterator({}); }

 private:
  std::string_view text_;
};
inline CodePoints code_points(std::string_view text) { return CodePoints(text); }
std::vector<std::string_view> listed_code_points(Budget& budget, std::string_view text);

// str.isspace() of one code point given as UTF-8.
bool is_space(std::string_view code_point);

// The byte offset of `part` in `text` at or behind `from`; linear in both.
std::optional<size_t> find_text(Budget& budget, std::string_view text, std::string_view part,
                                size_t from = 0);

enum class Side { kLeft, kRight, kBoth };
// str.strip(): white space, or the code points of `chars`.
std::string_view stripped(std::string_view text, Side side);
std::string_view stripped(Budget& budget, std::string_view text, Side side,
                          std::optional<std::string_view> chars);

// str.split(): at runs of white space, without empty parts; or at each `separator` (not empty). At
// the most `max_splits` cuts where it is not negative; rsplit() counts them from the end.
std::vector<std::string_view> split_spaces(Budget& budget, std::string_view text,
                                           int64_t max_splits);
std::vector<std::string_view> split_at(Budget& budget, std::string_view text,
                                       std::string_view separator, int64_t max_splits);
std::vector<std::string_view> rsplit_at(Budget& budget, std::string_view text,
                                        std::string_view separator, int64_t max_splits);
std::vector<std::string_view> split_lines(Budget& budget, std::string_view text);

std::string replaced(Budget& budget, std::string_view text, std::string_view from,
                     std::string_view to, int64_t max_count);

// Case, by Unicode's rules. A fault names a character whose case takes several code points (the
// sharp s in capitals), which is not supported.
std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string capitalized(std::string_view text);  // the first in title case, the others lower
std::string title_cased(std::string_view text);  // str.title(): the first of each run of letters

enum class TextClass { kAlpha, kDigit, kAlnum, kSpace, kLower, kUpper };
bool is_of_class(std::string_view text, TextClass wanted);  // str.isalpha() and the like

void represent_text(TextBuilder& out, std::string_view text);  // repr()
std::string float_text(double value);                          // repr(), shortest round trip

}  // namespace assay::jinja
