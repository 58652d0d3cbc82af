#include "tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "tokenizer/code_points.h"

namespace assay {
namespace {

using namespace std::string_view_literals;

constexpr std::array kProperties{"L"sv, "Lu"sv, "Ll"sv, "Lt"sv, "Lm"sv, "Lo"sv, "M"sv,
                                 "N"sv, "Nd"sv, "P"sv,  "S"sv,  "Z"sv,  "Han"sv};

// Reads the pattern once, from left to right, and writes what PCRE2 has to read.
class Translator {
 public:
  explicit Translator(std::string_view pattern) : in_(pattern) {}

  std::string run() {
    while (at_ < in_.size()) {
      if (in_[at_] == '[') {
        set();
      } else if (in_[at_] == '(') {
        group();
      } else if (in_[at_] == '}' && at_ + 1 < in_.size() &&
                 (in_[at_ + 1] == '+' || in_[at_ + 1] == '?')) {
        refuse("a quantifier behind {n,m}");  // possessive to PCRE2, a repeated repeat to Ruby
      } else if (in_[at_] == '\\') {
        escape();
      } else {
        out_ += in_[at_++];
      }
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    fail(ErrorKind::kCorruptFile, "pattern '", to_valid_utf8(in_), "': ", what,
         " is not supported");
  }

  bool next_is(std::string_view text) const { return in_.substr(at_).starts_with(text); }

  void group() {
    if (next_is("(*")) refuse("a verb (*...)");
    if (next_is("(?")) {
      constexpr std::array kKnown{"(?:"sv, "(?="sv, "(?!"sv, "(?<="sv, "(?<!"sv, "(?>"sv, "(?i:"sv};
      const auto known =
          std::ranges::find_if(kKnown, [&](std::string_view g) { return next_is(g); });
      if (known == kKnown.end()) refuse("the group at '" + to_valid_utf8(in_.substr(at_, 4)) + "'");
      out_ += *known;
      at_ += known->size();
      return;
    }
    out_ += in_[at_++];
  }

  void escape() {
    if (at_ + 1 >= in_.size()) refuse("a backslash at the end");
    const char c = in_[at_ + 1];
    if (c == 'p' || c == 'P') return property();
    if (c == 'u') return code(2, 4, 4);
    if (c == 'x') return next_is("\\x{") ? braced_code() : code(2, 2, 2);
    if (c == 'v') {  // vertical tab, not PCRE2's class
      out_ += "\\x{0B}";
    } else if ("sSdDnrtfAz"sv.find(c) != std::string_view::npos ||
               (static_cast<signed char>(c) > 0 && std::ispunct(c))) {
      out_.append(in_, at_, 2);
    } else {
      refuse("the escape '\\" + to_valid_utf8(in_.substr(at_ + 1, 1)) + "'");
    }
    at_ += 2;
  }

  void property() {
    const size_t end = in_.find('}', at_);
    if (at_ + 2 >= in_.size() || in_[at_ + 2] != '{' || end == std::string_view::npos)
      refuse("\\p without {name}");
    std::string_view name = in_.substr(at_ + 3, end - at_ - 3);
    bool negated = in_[at_ + 1] == 'P';
    if (name.starts_with('^')) {
      negated = !negated;
      name.remove_prefix(1);
    }
    if (std::ranges::find(kProperties, name) == kProperties.end()) {
      refuse("the property '" + to_valid_utf8(name) + "'");
    }
    out_.append(negated ? "\\P{" : "\\p{")
        .append(name == "Han" ? "sc:" : "")
        .append(name)
        .append("}");
    at_ = end + 1;
  }

  // \uHHHH or \xHH: `skip` characters, then hexadecimal digits.
  void code(size_t skip, size_t min_digits, size_t max_digits) {
    const std::string_view digits = in_.substr(std::min(at_ + skip, in_.size()), max_digits);
    if (digits.size() < min_digits || !std::ranges::all_of(digits, [](char d) {
          return std::isxdigit(static_cast<unsigned char>(d)) != 0;
        })) {
      refuse("an escape without its hexadecimal digits");
    }
    out_.append("\\x{").append(digits).append("}");
    at_ += skip + digits.size();
  }

  void braced_code() {
    const size_t end = in_.find('}', at_);
    if (end == std::string_view::npos || end - at_ - 3 > 8) refuse("\\x{ without }");
    code(3, end - at_ - 3, end - at_ - 3);
    ++at_;
  }

  void set() {
    out_ += in_[at_++];
    if (at_ < in_.size() && in_[at_] == '^') out_ += in_[at_++];
    if (at_ < in_.size() && in_[at_] == ']') refuse("an empty set, or ']' first in a set");
    int nested = 0;
    while (at_ < in_.size()) {
      const char c = in_[at_];
      if (c == ']') {
        ++at_;
        if (nested == 0) {
          out_ += ']';
          return;
        }
        --nested;
      } else if (c == '[') {  // a union: its members join the outer set
        if (next_is("[^")) refuse("a negated set in a set");
        if (next_is("[:")) refuse("a POSIX class");
        if (next_is("[]")) refuse("an empty set");
        ++nested;
        ++at_;
      } else if (next_is("&&")) {
        refuse("an intersection of sets");
      } else if (c == '\\') {
        escape();
      } else {
        out_ += c;
        ++at_;
      }
    }
    refuse("a set without its ']'");
  }

  std::string_view in_;
  size_t at_ = 0;
  std::string out_;
};

std::string pcre2_message(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

template <auto* kFree>
struct Freed {
  void operator()(auto* object) const { kFree(object); }
};

// What a thread needs to match: room for one pair of offsets, a stack for JIT code, a bound on
// steps.
struct Workspace {
  std::unique_ptr<pcre2_match_data, Freed<pcre2_match_data_free>> data{
      pcre2_match_data_create(1, nullptr)};
  std::unique_ptr<pcre2_match_context, Freed<pcre2_match_context_free>> context{
      pcre2_match_context_create(nullptr)};
  std::unique_ptr<pcre2_jit_stack, Freed<pcre2_jit_stack_free>> stack{
      pcre2_jit_stack_create(32 << 10, 64 << 20, nullptr)};
  std::string buffer;

  Workspace() {
    pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
    pcre2_set_match_limit(context.get(), 50'000'000);
    pcre2_set_heap_limit(context.get(), 256 << 10);  // KiB
  }
};

Workspace& workspace() {
  thread_local Workspace of_thread;
  return of_thread;
}

}  // namespace

struct Regex::Code {
  std::unique_ptr<pcre2_code, Freed<pcre2_code_free>> pcre2;
};

std::string pcre2_pattern(std::string_view pattern) { return Translator(pattern).run(); }

Regex::Regex(std::string_view pattern) : pattern_(pattern) {
  const std::string translated = pcre2_pattern(pattern);
  const std::unique_ptr<pcre2_compile_context, Freed<pcre2_compile_context_free>> context(
      pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  // Ruby's ^ and $ are those of lines.
  auto code = std::make_shared<Code>();
  code->pcre2.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()),
                                  translated.size(),
                                  PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                                  &error, &offset, context.get()));
  require_intact(code->pcre2 != nullptr, "pattern '", to_valid_utf8(pattern),
                 "': ", pcre2_message(error));
  pcre2_jit_compile(code->pcre2.get(), PCRE2_JIT_COMPLETE);  // without JIT it is slower, and right
  code_ = std::move(code);
}

void Regex::find_all(std::string_view text, std::vector<RegexMatch>& matches) const {
  matches.clear();
  Workspace& work = workspace();
  const std::string_view subject = with_stand_ins(text, work.buffer);
  size_t at = 0;
  while (at <= subject.size()) {
    const int found =
        pcre2_match(code_->pcre2.get(), reinterpret_cast<PCRE2_SPTR>(subject.data()),
                    subject.size(), at, PCRE2_NO_UTF_CHECK, work.data.get(), work.context.get());
    if (found == PCRE2_ERROR_NOMATCH) return;
    require(found >= 0, "pattern '", to_valid_utf8(pattern_), "' on a text of ", text.size(),
            " bytes: ", pcre2_message(found));
    const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(work.data.get());
    const RegexMatch match{offsets[0], offsets[1]};
    const bool empty = match.begin == match.end;
    if (!empty || matches.empty() || matches.back().end != match.end) matches.push_back(match);
    at = match.end;
    if (empty) at += at < subject.size() ? code_point_at(subject, at).size : 1;
  }
}

}  // namespace assay
