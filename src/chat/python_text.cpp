#include "chat/python_text.h"

#include <algorithm>
#include <cstring>

#include "tokenizer/code_points.h"

namespace assay::jinja {
namespace {

size_t size_at(std::string_view text, size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

// Where the code point that ends at `end` starts.
size_t start_before(std::string_view text, size_t end) {
  do {
    --end;
  } while ((static_cast<unsigned char>(text[end]) & 0xC0) == 0x80);
  return end;
}

// Without the code points at its ends that `goes` holds for.
template <class Goes>
std::string_view stripped_where(std::string_view text, Side side, Goes goes) {
  size_t begin = 0, end = text.size();
  while (side != Side::kRight && begin < end && goes(text.substr(begin, size_at(text, begin)))) {
    begin += size_at(text, begin);
  }
  while (side != Side::kLeft && begin < end) {
    const size_t start = start_before(text, end);
    if (!goes(text.substr(start, end - start))) break;
    end = start;
  }
  return text.substr(begin, end - begin);
}

}  // namespace

size_t count_code_points(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

size_t CodePoints::Iterator::size() const { return size_at(left_, 0); }

std::vector<std::string_view> listed_code_points(Budget& budget, std::string_view text) {
  budget.spend(sizeof(std::string_view) * text.size());
  std::vector<std::string_view> all;
  for (const std::string_view c : code_points(text)) all.push_back(c);
  return all;
}

bool is_space(std::string_view c) {
  const char32_t value = code_point_at(c, 0).value;
  return is_white_space(value) || (value >= 0x1C && value <= 0x1F);
}

std::optional<size_t> find_text(Budget& budget, std::string_view text, std::string_view part,
                                size_t from) {
  if (from > text.size()) return std::nullopt;
  budget.spend(text.size() - from + part.size());
  if (part.empty()) return from;
  // memmem of the C library is linear; std::string_view::find is not.
  const void* found = memmem(text.data() + from, text.size() - from, part.data(), part.size());
  if (found == nullptr) return std::nullopt;
  return static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

std::string_view stripped(std::string_view text, Side side) {
  return stripped_where(text, side, is_space);
}

std::string_view stripped(Budget& budget, std::string_view text, Side side,
                          std::optional<std::string_view> chars) {
  if (!chars) return stripped(text, side);
  const auto set = listed_code_points(budget, *chars);
  return stripped_where(text, side, [&](std::string_view c) {
    budget.spend(set.size());
    return std::ranges::find(set, c) != set.end();
  });
}

std::vector<std::string_view> split_spaces(Budget& budget, std::string_view text,
                                           int64_t max_splits) {
  budget.spend(text.size());
  std::vector<std::string_view> parts;
  text = stripped(text, Side::kLeft);
  while (!text.empty()) {
    if (max_splits >= 0 && std::ssize(parts) == max_splits) {
      parts.push_back(text);
      break;
    }
    size_t end = 0;
    while (end < text.size() && !is_space(text.substr(end, size_at(text, end)))) {
      end += size_at(text, end);
    }
    parts.push_back(text.substr(0, end));
    text = stripped(text.substr(end), Side::kLeft);
  }
  return parts;
}

std::vector<std::string_view> split_at(Budget& budget, std::string_view text,
                                       std::string_view separator, int64_t max_splits) {
  std::vector<std::string_view> parts;
  size_t begin = 0;
  while (max_splits < 0 || std::ssize(parts) < max_splits) {
    // Each search goes on where the last ended, so all of them together are linear.
    const void* found =
        memmem(text.data() + begin, text.size() - begin, separator.data(), separator.size());
    if (found == nullptr) break;
    budget.spend(kElementWork);
    const auto at = static_cast<size_t>(static_cast<const char*>(found) - text.data());
    parts.push_back(text.substr(begin, at - begin));
    begin = at + separator.size();
  }
  budget.spend(text.size());
  parts.push_back(text.substr(begin));
  return parts;
}

// From the right, as split_at sees it in a mirror: the C library has no memmem from behind.
std::vector<std::string_view> rsplit_at(Budget& budget, std::string_view text,
                                        std::string_view separator, int64_t max_splits) {
  budget.spend(text.size() + separator.size());
  const std::string mirrored(text.rbegin(), text.rend());
  const std::string mirrored_separator(separator.rbegin(), separator.rend());
  std::vector<std::string_view> parts = split_at(budget, mirrored, mirrored_separator, max_splits);
  for (std::string_view& part : parts) {
    const auto from_end = static_cast<size_t>(part.data() - mirrored.data());
    part = text.substr(text.size() - from_end - part.size(), part.size());
  }
  std::ranges::reverse(parts);
  return parts;
}

std::vector<std::string_view> split_lines(Budget& budget, std::string_view text) {
  budget.spend(text.size());
  static constexpr std::string_view kBreaks[] = {
      "\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\xC2\x85", "\xE2\x80\xA8", "\xE2\x80\xA9"};
  std::vector<std::string_view> lines;
  size_t begin = 0, at = 0;
  while (at < text.size()) {
    size_t size = size_at(text, at);
    const std::string_view c = text.substr(at, size);
    const bool is_return = c == "\r";
    if (is_return && text.substr(at + 1).starts_with('\n')) size = 2;
    if (is_return || std::ranges::find(kBreaks, c) != std::end(kBreaks)) {
      budget.spend(kElementWork);
      lines.push_back(text.substr(begin, at - begin));
      begin = at + size;
    }
    at += size;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

std::string replaced(Budget& budget, std::string_view text, std::string_view from,
                     std::string_view to, int64_t max_count) {
  TextBuilder out(budget);
  if (from.empty()) {  // Python puts `to` around every code point
    for (const std::string_view c : code_points(text)) {
      if (max_count != 0) out.add(to), --max_count;
      out.add(c);
    }
    if (max_count != 0) out.add(to);
    return out.take();
  }
  const auto parts = split_at(budget, text, from, max_count);
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out.add(to);
    out.add(parts[i]);
  }
  return out.take();
}

}  // namespace assay::jinja
