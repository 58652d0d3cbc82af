#pragma once
// Did the calibration text contain the test? 13-gram overlap, as the contamination analysis of
// GPT-3 counts it (Brown et al. 2020, appendix C), with short items matched whole.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace assay {

inline constexpr size_t kOverlapWords = 13;  // longer items: any run of 13 words
inline constexpr size_t kShortestItem =
    8;  // items of 8 to 12 words: all of them, in a row; shorter are not counted
inline constexpr double kOverlapWarning =
    0.01;  // share of items above which an outcome carries a warning

// Lower-cased words; punctuation and symbols inside or around a word are dropped ("Don't!" ->
// "dont"), white space parts words. Letters, marks and digits of any script count; bytes that are
// not UTF-8 part words.
std::vector<std::string> overlap_words(std::string_view text);

// The calibration documents, ready to be searched.
struct OverlapIndex {
  std::unordered_map<std::string, int32_t> word_ids;
  std::vector<int32_t> words;  // of all documents, -1 between them
  std::unordered_map<uint64_t, std::vector<size_t>>
      starts;  // hash of kShortestItem words -> where they stand
};
OverlapIndex index_calibration(std::span<const std::string> documents);

struct Overlap {
  int64_t num_items = 0;
  int64_t num_eligible = 0;   // of at least kShortestItem words
  std::vector<size_t> items;  // the overlapping ones, by index
  double share() const;       // of all items, 0 without items
  std::optional<std::string> warning() const;
};
Overlap find_overlap(const OverlapIndex& index, std::span<const std::string> items);

}  // namespace assay
