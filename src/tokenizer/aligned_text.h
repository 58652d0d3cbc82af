#pragma once
// A text that steps have changed, with the way back to the bytes it was.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

class AlignedText {
 public:
  // Nothing is copied before the first change: `given` must outlive this.
  explicit AlignedText(std::string_view given) : given_(given) {}

  std::string_view text() const { return steps_.empty() ? given_ : std::string_view(current_); }

  // The byte of the given text behind byte `end` of text(); inside of a change this is the end of
  // the change. What a step took away behind `end` is not included.
  size_t original_end(size_t end) const;

  // The byte of the given text at which byte `begin` of text() lies; inside of a change this is its
  // begin. What a step took away in front of `begin` is not included.
  size_t original_begin(size_t begin) const;

 private:
  friend class TextEdit;
  // Stretches that a step changed, in order; behind each the two texts run in parallel again.
  struct Change {
    size_t old_begin, old_end;  // bytes of the text before the step
    size_t new_begin, new_end;  // bytes of the text behind it
  };
  std::string_view given_;
  std::string current_;
  std::vector<std::vector<Change>> steps_;
};

// One step: reads the text from left to right and writes the next one. Without a change the text
// stays as it is. Error(kBadInput) where the text grows out of all proportion.
class TextEdit {
 public:
  explicit TextEdit(AlignedText& text) : text_(text), old_(text.text()) {}

  void keep_until(size_t end);                          // copies up to byte `end` of the old text
  void replace_until(size_t end, std::string_view by);  // the old text up to `end` becomes `by`
  void insert(std::string_view by) { replace_until(at_, by); }
  size_t position() const { return at_; }  // bytes of the old text read
  size_t size() const { return changes_.empty() ? at_ : new_.size(); }  // bytes of the new text
  void finish();                                                        // keeps the rest

 private:
  AlignedText& text_;
  std::string_view old_;
  size_t at_ = 0;
  std::string new_;  // written only behind the first change
  std::vector<AlignedText::Change> changes_;
};

}  // namespace assay
