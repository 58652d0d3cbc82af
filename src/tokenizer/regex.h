#pragma once
// The regular expressions of tokenizer.json. They are written for Oniguruma (Ruby syntax, Unicode
// 16), which the `tokenizers` library uses; we run PCRE2 with UTF, UCP and JIT. What the two read
// differently is translated or refused:
//   \s is White_Space (PCRE2 adds U+180E); \p{Han} is the script alone (PCRE2 takes
//   Script_Extensions); characters newer than PCRE2's tables are matched as an older one of the
//   same category; a set nested in a set is flattened; escapes, properties and quantifiers outside
//   of the common part are errors.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

struct RegexMatch {
  size_t begin, end;  // bytes
};

class Regex {
 public:
  // Error(kCorruptFile) says which part of the pattern is not understood.
  explicit Regex(std::string_view pattern);

  // All matches from left to right, as Oniguruma's scan finds them: they do not overlap, and an
  // empty match where the last match ended is skipped. `text` must be valid UTF-8. Error(kBadInput)
  // when the pattern needs too many steps.
  void find_all(std::string_view text, std::vector<RegexMatch>& matches) const;

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
  std::string pattern_;
};

// The pattern as PCRE2 has to read it. Exposed for tests.
std::string pcre2_pattern(std::string_view pattern);

// An older character of the same general category (and script Han) and the same size in UTF-8 for a
// character that Unicode 15 or 16 assigned; U+200B for U+180E; any other character itself.
char32_t stand_in(char32_t c);

// `text`, or, where it holds characters newer than Unicode 14 (or U+180E), `buffer` with stand-ins
// for them: an older character of the same general category (and script Han) and the same size in
// UTF-8, so that matches stay where they are.
std::string_view with_stand_ins(std::string_view text, std::string& buffer);

}  // namespace assay
