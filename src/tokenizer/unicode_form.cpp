#include "tokenizer/unicode_form.h"

#include <utf8proc.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <unordered_set>

#include "base/error.h"
#include "tokenizer/character_classes.h"
#include "tokenizer/code_points.h"

namespace assay {
namespace {

uint16_t combining_class(utf8proc_int32_t c) {
  return static_cast<uint16_t>(utf8proc_get_property(c)->combining_class);
}

using Characters = std::unordered_set<char32_t>;

// Characters that can interact with what stands before them without being combining themselves:
// those that are not the first of some decomposition, and those whose own decomposition starts with
// a combining one (U+0F73).
Characters continuing_characters(utf8proc_option_t decompose) {
  Characters found;
  std::array<utf8proc_int32_t, 32> parts{};
  for (utf8proc_int32_t c = 0; c <= 0x10FFFF; ++c) {
    int boundary = 0;
    const auto count = utf8proc_decompose_char(
        c, parts.data(), static_cast<utf8proc_ssize_t>(parts.size()), decompose, &boundary);
    if (count < 1 || count > static_cast<utf8proc_ssize_t>(parts.size())) continue;
    if (combining_class(parts[0]) != 0) found.insert(static_cast<char32_t>(c));
    for (size_t i = 1; i < static_cast<size_t>(count); ++i) {
      // A letter in the middle of a compatibility decomposition composes with nothing before it.
      const bool canonical = (decompose & UTF8PROC_COMPAT) == 0;
      if (canonical || combining_class(parts[i]) != 0)
        found.insert(static_cast<char32_t>(parts[i]));
    }
  }
  return found;
}

// The characters that start no segment, besides the combining ones.
bool continues(char32_t c, bool compatibility) {
  static const Characters canonical = continuing_characters(UTF8PROC_DECOMPOSE);
  static const Characters compatible = [] {
    Characters all =
        continuing_characters(static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT));
    all.insert(canonical.begin(), canonical.end());
    // What decomposes into a continuing character (U+FF9E, half-width marks) continues too.
    std::array<utf8proc_int32_t, 32> parts{};
    for (utf8proc_int32_t code = 0; code <= 0x10FFFF; ++code) {
      int boundary = 0;
      const auto count = utf8proc_decompose_char(
          code, parts.data(), static_cast<utf8proc_ssize_t>(parts.size()),
          static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT), &boundary);
      if (count >= 1 && canonical.contains(static_cast<char32_t>(parts[0])))
        all.insert(static_cast<char32_t>(code));
    }
    return all;
  }();
  return (compatibility ? compatible : canonical).contains(c);
}

struct FormTraits {
  utf8proc_option_t options;
  bool compatibility;
};

FormTraits traits_of(UnicodeForm form) {
  const bool compatibility = form == UnicodeForm::kNfkc || form == UnicodeForm::kNfkd;
  const bool compose = form == UnicodeForm::kNfc || form == UnicodeForm::kNfkc;
  return {static_cast<utf8proc_option_t>(UTF8PROC_STABLE |
                                         (compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
                                         (compatibility ? UTF8PROC_COMPAT : 0)),
          compatibility};
}

bool starts_segment(char32_t c, bool compatibility) {
  if (c < 0x300 || is_not_combining(c)) return true;
  return combining_class(static_cast<utf8proc_int32_t>(c)) == 0 && !continues(c, compatibility);
}

std::string mapped(std::string_view text, utf8proc_option_t options) {
  utf8proc_uint8_t* form = nullptr;
  const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                 static_cast<utf8proc_ssize_t>(text.size()), &form, options);
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(form, &std::free);
  if (size < 0) fail(ErrorKind::kInternal, "normalize: ", utf8proc_errmsg(size));
  return {reinterpret_cast<const char*>(form), static_cast<size_t>(size)};
}

}  // namespace

// A segment begins at a character that no composition or reordering reaches across.
void normalize_form(AlignedText& aligned, UnicodeForm form) {
  const auto [options, compatibility] = traits_of(form);
  const std::string_view text = aligned.text();
  TextEdit edit(aligned);
  for (size_t begin = 0; begin < text.size();) {
    const CodePoint first = code_point_at(text, begin);
    const bool alone = first.value >= 0x300 && is_not_combining(first.value);
    size_t end = begin + first.size;
    while (end < text.size() && !alone) {
      const CodePoint next = code_point_at(text, end);
      if (starts_segment(next.value, compatibility)) break;
      end += next.size;
    }
    const std::string_view segment = text.substr(begin, end - begin);
    const bool as_it_is = alone || segment.size() == 1 ||
                          (form != UnicodeForm::kNfc && has_no_decomposition(first.value));
    if (as_it_is) {
      edit.keep_until(end);
    } else {
      edit.replace_until(end, mapped(segment, options));
    }
    begin = end;
  }
  edit.finish();
}

}  // namespace assay
