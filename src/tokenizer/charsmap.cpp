#include "tokenizer/charsmap.h"

#include <utf8proc.h>

#include "base/error.h"
#include "tokenizer/code_points.h"

namespace assay {
namespace {

uint32_t little_endian(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

// A unit of the double array.
bool has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t value_of(uint32_t unit) { return unit & 0x7FFFFFFF; }
uint32_t label_of(uint32_t unit) { return unit & 0x800000FF; }
size_t offset_of(uint32_t unit) { return size_t{unit >> 10} << ((unit & 1u << 9) >> 6); }

size_t grapheme_end(std::string_view text, size_t begin) {
  utf8proc_int32_t state = 0;
  CodePoint last = code_point_at(text, begin);
  size_t end = begin + last.size;
  while (end < text.size()) {
    const CodePoint next = code_point_at(text, end);
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(last.value),
                                         static_cast<utf8proc_int32_t>(next.value), &state)) {
      break;
    }
    end += next.size;
    last = next;
  }
  return end;
}

}  // namespace

Charsmap::Charsmap(std::string_view bytes) {
  require_intact(bytes.size() >= 4, "precompiled_charsmap: ", bytes.size(), " bytes");
  const size_t size = little_endian(bytes, 0);
  require_intact(size % 4 == 0 && size >= 4 && size <= bytes.size() - 4,
                 "precompiled_charsmap: a table of ", size, " bytes in ", bytes.size());
  units_.reserve(size / 4);
  for (size_t at = 4; at < 4 + size; at += 4) units_.push_back(little_endian(bytes, at));
  texts_ = bytes.substr(4 + size);
  require_intact(to_valid_utf8(texts_) == texts_, "precompiled_charsmap: the texts are no UTF-8");
}

std::optional<std::string_view> Charsmap::find(std::string_view text) const {
  size_t node = offset_of(units_[0]);
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    node ^= byte;
    if (byte == 0 || node >= units_.size() || label_of(units_[node]) != byte) return std::nullopt;
    const bool leaf = has_leaf(units_[node]);
    node ^= offset_of(units_[node]);
    if (!leaf) continue;
    require_intact(node < units_.size() && value_of(units_[node]) < texts_.size(),
                   "precompiled_charsmap: an entry lies outside of its table");
    const std::string_view rest = std::string_view(texts_).substr(value_of(units_[node]));
    return rest.substr(0, rest.find('\0'));
  }
  return std::nullopt;
}

void Charsmap::apply(AlignedText& aligned) const {
  constexpr size_t kMaxGrapheme = 6;
  const std::string_view text = aligned.text();
  TextEdit edit(aligned);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = grapheme_end(text, begin);
    const auto whole =
        end - begin < kMaxGrapheme ? find(text.substr(begin, end - begin)) : std::nullopt;
    if (whole) {
      edit.replace_until(end, *whole);
      begin = end;
    }
    while (begin < end) {
      const size_t size = code_point_at(text, begin).size;
      if (const auto one = find(text.substr(begin, size))) {
        edit.replace_until(begin + size, *one);
      } else {
        edit.keep_until(begin + size);
      }
      begin += size;
    }
  }
  edit.finish();
}

}  // namespace assay
