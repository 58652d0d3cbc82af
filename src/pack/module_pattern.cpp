#include "pack/module_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <utility>

#include "base/error.h"

namespace assay {
namespace {

constexpr uint32_t kMaxSteps = 100'000;
constexpr size_t kMaxPattern = 4096;

std::shared_ptr<void> compiled(const std::string& pattern) {
  require(pattern.size() <= kMaxPattern, "a pattern of ", pattern.size(), " bytes");
  int error = 0;
  PCRE2_SIZE place = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                   PCRE2_ANCHORED | PCRE2_NEVER_BACKSLASH_C | PCRE2_NEVER_UTF,
                                   &error, &place, nullptr);
  require(code != nullptr, "the pattern '", pattern, "' is not understood at byte ", place);
  return {code, [](void* compiled) { pcre2_code_free(static_cast<pcre2_code*>(compiled)); }};
}

bool matches(const void* code, std::string_view text, const std::string& pattern) {
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
      pcre2_match_data_create(1, nullptr), pcre2_match_data_free);
  const std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context(
      pcre2_match_context_create(nullptr), pcre2_match_context_free);
  pcre2_set_match_limit(context.get(), kMaxSteps);
  pcre2_set_depth_limit(context.get(), kMaxSteps);
  const int found =
      pcre2_match(static_cast<const pcre2_code*>(code), reinterpret_cast<PCRE2_SPTR>(text.data()),
                  text.size(), 0, 0, data.get(), context.get());
  require(found >= 0 || found == PCRE2_ERROR_NOMATCH, "the pattern '", pattern,
          "' cannot be matched against '", text, "' (PCRE2 error ", found, ")");
  return found >= 0;
}

}  // namespace

ModulePattern::ModulePattern(Kind kind, std::string text) : kind_(kind), text_(std::move(text)) {
  if (kind_ == Kind::kRegex) code_ = compiled(text_);
  if (kind_ == Kind::kSkipped) code_ = compiled("(?:" + text_ + ")(?:(?<=\\.)|(?=\\.|$))");
}

bool ModulePattern::fits(std::string_view module) const {
  switch (kind_) {
    case Kind::kAny:
      return true;
    case Kind::kName:
      return module == text_;
    case Kind::kSuffix:
      return module == text_ || module.ends_with("." + text_);
    case Kind::kRegex:
      return matches(code_.get(), module, text_);
    case Kind::kSkipped:
      return module.ends_with(text_) || matches(code_.get(), module, text_);
  }
  return false;
}

}  // namespace assay
