#include "chat/lexer.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/error.h"
#include "chat/python_text.h"
#include "tokenizer/code_points.h"

namespace assay::jinja {
namespace {

// "\r\n" and "\r" become "\n", and one "\n" at the end goes.
std::string with_plain_newlines(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r') {
      if (text.substr(i + 1).starts_with('\n')) ++i;
      out += '\n';
    } else {
      out += text[i];
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : source_(with_plain_newlines(text)) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) lex_outside();
    add(TokenType::kEnd, "");
    return std::move(tokens_);
  }

 private:
  std::string_view rest(size_t from) const { return std::string_view(source_).substr(from); }
  bool looking_at(std::string_view word) const { return rest(at_).starts_with(word); }
  int line() {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<int64_t>(counted_),
                                         source_.begin() + static_cast<int64_t>(at_), '\n'));
    counted_ = at_;
    return line_;
  }
  template <class... Parts>
  [[noreturn]] void fail_here(const Parts&... parts) {
    fail(ErrorKind::kBadInput, "line ", line(), ": ", parts...);
  }
  void add(TokenType type, std::string text) { tokens_.push_back({type, std::move(text), line()}); }

  void skip_spaces() {
    const std::string_view left = rest(at_);
    at_ += left.size() - stripped(left, Side::kLeft).size();
  }

  // Text up to the next tag, which is then read; at_ moves behind the tag.
  void lex_outside() {
    const size_t begin = at_;
    size_t tag = begin;
    while ((tag = source_.find('{', tag)) != std::string::npos) {
      const char next = tag + 1 < source_.size() ? source_[tag + 1] : '\0';
      if (next == '{' || next == '%' || next == '#') break;
      ++tag;
    }
    if (tag == std::string::npos) {
      add(TokenType::kData, source_.substr(begin));
      at_ = source_.size();
      return;
    }
    add_data(begin, tag, tag + 2);
    const char kind = source_[tag + 1];
    at_ = tag + 2;
    if (looking_at("-") || looking_at("+")) ++at_;
    if (kind == '#') {
      skip_comment();
    } else if (kind == '{') {
      lex_tag(TokenType::kVariableBegin, TokenType::kVariableEnd);
    } else if (const auto raw = end_of_raw_begin(at_)) {
      lex_raw(*raw);
    } else {
      lex_tag(TokenType::kBlockBegin, TokenType::kBlockEnd);
    }
  }

  // source_[begin, tag) in front of a tag whose sign, if any, stands at `sign`.
  void add_data(size_t begin, size_t tag, size_t sign) {
    std::string_view data = rest(begin).substr(0, tag - begin);
    const char mark = sign < source_.size() ? source_[sign] : '\0';
    if (mark == '-') {
      data = stripped(data, Side::kRight);
    } else if (mark != '+' && source_[tag + 1] != '{') {
      const size_t newline = data.rfind('\n');
      const size_t line_begin = newline == std::string_view::npos ? 0 : newline + 1;
      const bool starts_line = line_begin > 0 || begin == 0 || source_[begin - 1] == '\n';
      if (starts_line && stripped(data.substr(line_begin), Side::kLeft).empty()) {
        data = data.substr(0, line_begin);
      }
    }
    if (!data.empty()) add(TokenType::kData, std::string(data));
  }

  // Behind a closing bracket with its sign already passed: what it takes of the white space.
  void trim_behind(char sign) {
    if (sign == '-') {
      skip_spaces();
    } else if (sign != '+' && looking_at("\n")) {
      ++at_;
    }
  }

  void skip_comment() {
    const size_t begin = at_, end = source_.find("#}", begin);
    if (begin == source_.size()) return;  // jinja2 lets the very end pass
    if (end == std::string::npos) fail_here("a comment has no end");
    at_ = end + 2;
    trim_behind(end > begin ? source_[end - 1] : '\0');
  }

  // Behind "{%" and its sign: where the text of {% raw %} starts, if that is the tag.
  std::optional<size_t> end_of_raw_begin(size_t from) const {
    const std::string_view word = stripped(rest(from), Side::kLeft);
    if (!word.starts_with("raw")) return std::nullopt;
    const std::string_view end = stripped(word.substr(3), Side::kLeft);
    if (end.starts_with("%}")) return source_.size() - end.size() + 2;
    if (end.starts_with("-%}")) {
      return source_.size() - stripped(end.substr(3), Side::kLeft).size();
    }
    return std::nullopt;
  }

  void lex_raw(size_t begin) {
    at_ = begin;
    if (begin == source_.size()) return;  // as in skip_comment
    for (size_t tag = begin; (tag = source_.find("{%", tag)) != std::string::npos; tag += 2) {
      size_t word = tag + 2;
      if (word < source_.size() && (source_[word] == '-' || source_[word] == '+')) ++word;
      std::string_view left = stripped(rest(word), Side::kLeft);
      if (!left.starts_with("endraw")) continue;
      left = stripped(left.substr(6), Side::kLeft);
      const char sign = left.empty() || left[0] == '%' ? '\0' : left[0];
      if (sign != '\0') left.remove_prefix(1);
      if (!left.starts_with("%}") || (sign != '\0' && sign != '-' && sign != '+')) continue;
      add_data(begin, tag, tag + 2);
      at_ = source_.size() - left.size() + 2;
      trim_behind(sign);
      return;
    }
    fail_here("{% raw %} has no end");
  }

  void lex_tag(TokenType begin, TokenType end) {
    add(begin, "");
    std::string open;  // brackets that wait for their partner
    while (true) {
      skip_spaces();
      if (open.empty() && lex_tag_end(end)) return;
      if (at_ >= source_.size()) fail_here("a tag has no end");
      const char c = source_[at_];
      if (is_digit(c)) {
        lex_number();
      } else if (is_word(c)) {
        const size_t first = at_;
        while (at_ < source_.size() && is_word(source_[at_])) ++at_;
        add(TokenType::kName, source_.substr(first, at_ - first));
      } else if (c == '"' || c == '\'') {
        lex_string(c);
      } else {
        lex_operator(open);
      }
    }
  }

  bool lex_tag_end(TokenType end) {
    const std::string_view bracket = end == TokenType::kBlockEnd ? "%}" : "}}";
    char sign = '\0';
    if (at_ < source_.size() &&
        (source_[at_] == '-' || (source_[at_] == '+' && end == TokenType::kBlockEnd))) {
      sign = source_[at_];
    }
    if (!rest(at_ + (sign != '\0' ? 1 : 0)).starts_with(bracket)) return false;
    add(end, "");
    at_ += (sign != '\0' ? 1 : 0) + 2;
    if (end == TokenType::kBlockEnd || sign == '-') trim_behind(sign);
    return true;
  }

  // Digits with single underscores between them.
  size_t digits_from(size_t from) const {
    size_t end = from;
    while (end < source_.size() && (is_digit(source_[end]) ||
                                    (end > from && source_[end] == '_' && source_[end - 1] != '_' &&
                                     end + 1 < source_.size() && is_digit(source_[end + 1])))) {
      ++end;
    }
    return end;
  }

  void lex_number() {
    const size_t begin = at_;
    if (source_[begin] == '0' && begin + 1 < source_.size() &&
        std::string_view("bBoOxX").find(source_[begin + 1]) != std::string_view::npos) {
      fail_here("unsupported: a number in base 2, 8 or 16");
    }
    size_t end = digits_from(begin);
    bool is_float = false;
    if (begin == 0 || source_[begin - 1] != '.') {
      size_t behind = end;
      if (behind < source_.size() && source_[behind] == '.' &&
          digits_from(behind + 1) > behind + 1) {
        end = digits_from(behind + 1);
        is_float = true;
      }
      behind = end;
      if (behind < source_.size() && (source_[behind] == 'e' || source_[behind] == 'E')) {
        ++behind;
        if (behind < source_.size() && (source_[behind] == '+' || source_[behind] == '-')) ++behind;
        if (digits_from(behind) > behind) {
          end = digits_from(behind);
          is_float = true;
        }
      }
    }
    std::string digits = source_.substr(begin, end - begin);
    std::erase(digits, '_');
    if (!is_float && digits[0] == '0' && digits.find_first_not_of('0') != std::string::npos) {
      fail_here("a whole number starts with 0");
    }
    add(is_float ? TokenType::kFloat : TokenType::kInteger, std::move(digits));
    at_ = end;
  }

  void lex_string(char quote) {
    const size_t begin = ++at_;
    size_t end = begin;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail_here("a string has no end");
    add(TokenType::kString, decoded(rest(begin).substr(0, end - begin)));
    at_ = end + 1;
  }

  // Escapes as in a Python literal.
  std::string decoded(std::string_view text) {
    static constexpr std::string_view kLetters = "abfnrtv\\'\"";
    static constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\') {
        out += text[i];
        continue;
      }
      const char c = text[++i];
      const size_t letter = kLetters.find(c);
      const size_t num_digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
      if (letter != std::string_view::npos) {
        out += kMeanings[letter];
      } else if (num_digits > 0) {
        append_utf8(out, code_of(text.substr(i + 1), num_digits, 16));
        i += num_digits;
      } else if (c >= '0' && c <= '7') {
        size_t end = i;
        while (end < text.size() && end < i + 3 && text[end] >= '0' && text[end] <= '7') ++end;
        append_utf8(out, code_of(text.substr(i), end - i, 8));
        i = end - 1;
      } else if (c == 'N' || static_cast<unsigned char>(c) >= 0x80) {
        fail_here("unsupported: the escape \\", c == 'N' ? "N" : "before a letter beyond ASCII");
      } else if (c != '\n') {  // a newline goes with its backslash
        out += '\\';
        out += c;
      }
    }
    return out;
  }

  char32_t code_of(std::string_view digits, size_t count, uint32_t base) {
    uint32_t code = 0;
    for (size_t i = 0; i < count; ++i) {
      const char c = i < digits.size() ? digits[i] : '\0';
      const int digit = is_digit(c)            ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) fail_here("an escape of a string is cut short");
      code = code * base + static_cast<uint32_t>(digit);
    }
    if (code > 0x10FFFF) fail_here("an escape names no character");
    if (code >= 0xD800 && code < 0xE000) fail_here("unsupported: half of a surrogate pair");
    return code;
  }

  void lex_operator(std::string& open) {
    static constexpr std::array<std::string_view, 26> kOperators = {
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
    const auto found =
        std::ranges::find_if(kOperators, [&](std::string_view op) { return looking_at(op); });
    if (found == kOperators.end()) {
      fail_here("unexpected character '", *code_points(rest(at_)).begin(), "'");
    }
    const char c = found->size() == 1 ? (*found)[0] : '\0';
    if (c == '(' || c == '[' || c == '{') {
      open += c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
      if (open.empty() || open.back() != c) fail_here("unexpected '", c, "'");
      open.pop_back();
    }
    add(TokenType::kOperator, std::string(*found));
    at_ += found->size();
  }

  std::string source_;
  size_t at_ = 0, counted_ = 0;
  int line_ = 1;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> lex(std::string_view text) {
  require(text.size() <= kMaxTemplateBytes, "longer than ", kMaxTemplateBytes, " bytes");
  const auto invalid = first_invalid_utf8(text);
  require(!invalid, "not UTF-8 at byte ", invalid.value_or(0));
  return Lexer(text).run();
}

}  // namespace assay::jinja
