#include "tokenizer/aligned_text.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace assay {
namespace {

// No tokenizer comes near; one that doubles a text again and again must not take all memory.
constexpr size_t kMaxGrowth = 256, kMaxExtra = 65536;

}  // namespace

size_t AlignedText::original_end(size_t end) const {
  for (auto changes = steps_.rbegin(); changes != steps_.rend(); ++changes) {
    const auto after = std::ranges::lower_bound(*changes, end, {}, &Change::new_end);
    if (after != changes->end() && end > after->new_begin) {
      end = after->old_end;
    } else if (after != changes->begin()) {
      const Change& before = *(after - 1);
      end = before.old_end + (end - before.new_end);
    }
  }
  return end;
}

size_t AlignedText::original_begin(size_t begin) const {
  for (auto changes = steps_.rbegin(); changes != steps_.rend(); ++changes) {
    const auto behind = std::ranges::upper_bound(*changes, begin, {}, &Change::new_begin);
    if (behind == changes->begin()) continue;
    const Change& last = *(behind - 1);
    begin = begin < last.new_end ? last.old_begin : last.old_end + (begin - last.new_end);
  }
  return begin;
}

void TextEdit::keep_until(size_t end) {
  if (!changes_.empty()) new_.append(old_, at_, end - at_);
  at_ = end;
}

void TextEdit::replace_until(size_t end, std::string_view by) {
  if (old_.substr(at_, end - at_) == by) return keep_until(end);
  if (changes_.empty()) {
    new_.reserve(old_.size() + old_.size() / 2);
    new_.assign(old_, 0, at_);
  }
  const size_t limit = kMaxGrowth * text_.given_.size() + kMaxExtra;
  require(new_.size() + by.size() <= limit, "a text of ", text_.given_.size(),
          " bytes becomes one of more than ", limit, " by the tokenizer's steps");
  changes_.push_back({at_, end, new_.size(), new_.size() + by.size()});
  new_ += by;
  at_ = end;
}

void TextEdit::finish() {
  keep_until(old_.size());
  if (changes_.empty()) return;
  text_.current_ = std::move(new_);
  text_.steps_.push_back(std::move(changes_));
}

}  // namespace assay
