#include "compare/overlap.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>

namespace assay {
namespace {

bool is_white_space(int32_t codepoint) {
  switch (utf8proc_category(codepoint)) {
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_CC:
      return true;
    default:
      return false;
  }
}

bool is_part_of_word(int32_t codepoint) {
  const auto category = utf8proc_category(codepoint);
  return category >= UTF8PROC_CATEGORY_LU &&
         category <= UTF8PROC_CATEGORY_NO;  // letters, marks, numbers
}

uint64_t hash_of(std::span<const int32_t> words) {  // FNV-1a; matches are compared word by word
  uint64_t hash = 14695981039346656037u;
  for (const int32_t word : words) hash = (hash ^ static_cast<uint32_t>(word)) * 1099511628211u;
  return hash;
}

// Whether these words stand in a row somewhere in the calibration text.
bool occurs(const OverlapIndex& index, std::span<const int32_t> words) {
  const auto found = index.starts.find(hash_of(words.first(kShortestItem)));
  if (found == index.starts.end()) return false;
  return std::ranges::any_of(found->second, [&](size_t start) {
    return start + words.size() <= index.words.size() &&
           std::equal(words.begin(), words.end(),
                      index.words.begin() + static_cast<std::ptrdiff_t>(start));
  });
}

bool overlaps(const OverlapIndex& index, std::span<const int32_t> words) {
  if (words.size() < kOverlapWords) return occurs(index, words);
  for (size_t start = 0; start + kOverlapWords <= words.size(); ++start) {
    if (occurs(index, words.subspan(start, kOverlapWords))) return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> overlap_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto finish = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  auto left = static_cast<utf8proc_ssize_t>(text.size());
  while (left > 0) {
    utf8proc_int32_t codepoint = -1;
    const auto length = std::max<utf8proc_ssize_t>(1, utf8proc_iterate(bytes, left, &codepoint));
    bytes += length;
    left -= length;
    if (codepoint < 0 || is_white_space(codepoint)) {
      finish();
    } else if (is_part_of_word(codepoint)) {
      std::array<utf8proc_uint8_t, 4> encoded{};
      const auto size = utf8proc_encode_char(utf8proc_tolower(codepoint), encoded.data());
      word.append(reinterpret_cast<const char*>(encoded.data()), static_cast<size_t>(size));
    }
  }
  finish();
  return words;
}

OverlapIndex index_calibration(std::span<const std::string> documents) {
  OverlapIndex index;
  for (const std::string& document : documents) {
    const size_t begin = index.words.size();
    for (std::string& word : overlap_words(document)) {
      const auto next = static_cast<int32_t>(index.word_ids.size());
      index.words.push_back(index.word_ids.try_emplace(std::move(word), next).first->second);
    }
    for (size_t start = begin; start + kShortestItem <= index.words.size(); ++start) {
      index.starts[hash_of(std::span(index.words).subspan(start, kShortestItem))].push_back(start);
    }
    index.words.push_back(-1);
  }
  return index;
}

double Overlap::share() const {
  return num_items == 0 ? 0 : static_cast<double>(items.size()) / static_cast<double>(num_items);
}

std::optional<std::string> Overlap::warning() const {
  if (share() <= kOverlapWarning) return std::nullopt;
  return fmt::format("{} of {} items ({:.1f} %) overlap with the calibration text", items.size(),
                     num_items, 100 * share());
}

Overlap find_overlap(const OverlapIndex& index, std::span<const std::string> items) {
  Overlap overlap;
  overlap.num_items = static_cast<int64_t>(items.size());
  std::vector<int32_t> ids;
  for (size_t i = 0; i < items.size(); ++i) {
    ids.clear();
    for (const std::string& word : overlap_words(items[i])) {
      const auto known = index.word_ids.find(word);
      ids.push_back(known == index.word_ids.end() ? -2 : known->second);
    }
    if (ids.size() < kShortestItem) continue;
    ++overlap.num_eligible;
    if (overlaps(index, ids)) overlap.items.push_back(i);
  }
  return overlap;
}

}  // namespace assay
