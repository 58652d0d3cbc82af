#include "tokenizer/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <unordered_set>

#include "base/error.h"
#include "tokenizer/code_points.h"
#include "tokenizer/json_fields.h"

namespace assay {
namespace {

uint16_t combining_class(utf8proc_int32_t c) {
  return static_cast<uint16_t>(utf8proc_get_property(c)->combining_class);
}

// Characters that can interact with what stands before them without being combining themselves:
// those that are not the first of some canonical decomposition, and those whose own decomposition
// starts with a combining one (U+0F73).
const std::unordered_set<char32_t>& continuing_characters() {
  static const auto all = [] {
    std::unordered_set<char32_t> found;
    std::array<utf8proc_int32_t, 8> parts{};
    for (utf8proc_int32_t c = 0; c <= 0x10FFFF; ++c) {
      int boundary = 0;
      const auto count =
          utf8proc_decompose_char(c, parts.data(), static_cast<utf8proc_ssize_t>(parts.size()),
                                  UTF8PROC_DECOMPOSE, &boundary);
      if (count < 1 || count > static_cast<utf8proc_ssize_t>(parts.size())) continue;
      if (combining_class(parts[0]) != 0) found.insert(static_cast<char32_t>(c));
      for (size_t i = 1; i < static_cast<size_t>(count); ++i)
        found.insert(static_cast<char32_t>(parts[i]));
    }
    return found;
  }();
  return all;
}

bool starts_segment(char32_t c) {
  if (c < 0x300) return true;
  return combining_class(static_cast<utf8proc_int32_t>(c)) == 0 &&
         !continuing_characters().contains(c);
}

std::string nfc(std::string_view text) {
  utf8proc_uint8_t* composed = nullptr;
  const auto size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &composed,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(composed, &std::free);
  if (size < 0) fail(ErrorKind::kInternal, "normalize: ", utf8proc_errmsg(size));
  return {reinterpret_cast<const char*>(composed), static_cast<size_t>(size)};
}

}  // namespace

Normalizer parse_normalizer(const Json& json) {
  if (json.is_null()) return Normalizer::kNone;
  const std::string type = string_field(json, "type", "normalizer");
  if (type == "NFC") return Normalizer::kNfc;
  if (type == "Sequence") {
    const Json& list = field(json, "normalizers", "normalizer");
    require_intact(list.is_array(), "normalizer.normalizers: expected an array");
    Normalizer all = Normalizer::kNone;
    for (const Json& one : list) all = std::max(all, parse_normalizer(one));
    return all;
  }
  fail(ErrorKind::kCorruptFile, "normalizer: the type '", type,
       "' is not supported (known: NFC, Sequence)");
}

size_t NormalizedText::original_end(size_t end) const {
  const auto after = std::ranges::lower_bound(changes, end, {}, &Change::normalized_end);
  if (after != changes.end() && end > after->normalized_begin) return after->original_end;
  if (after == changes.begin()) return end;
  const Change& before = *(after - 1);
  return before.original_end + (end - before.normalized_end);
}

NormalizedText normalize(std::string_view text, Normalizer normalizer) {
  NormalizedText result;
  if (normalizer == Normalizer::kNone) {
    result.text = text;
    return result;
  }
  // A segment begins at a character that no composition or reordering reaches across.
  for (size_t begin = 0; begin < text.size();) {
    size_t end = begin + code_point_at(text, begin).size;
    while (end < text.size()) {
      const CodePoint next = code_point_at(text, end);
      if (starts_segment(next.value)) break;
      end += next.size;
    }
    const std::string_view segment = text.substr(begin, end - begin);
    begin = end;
    if (segment.size() == 1) {
      result.text += segment;
      continue;
    }
    const size_t normalized_begin = result.text.size();
    const std::string composed = nfc(segment);
    result.text += composed;
    if (composed != segment) {
      result.changes.push_back({end - segment.size(), end, normalized_begin, result.text.size()});
    }
  }
  return result;
}

}  // namespace assay
