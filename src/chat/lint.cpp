#include "chat/lint.h"

#include "base/error.h"

namespace assay {
namespace {

const ChatMessage kSystem{"system", "zq-system-words-qz"};
const ChatMessage kUser{"user", "zq-user-words-qz"};

// They differ in every part that a format can name.
constexpr jinja::CivilTime kOneDate{2001, 1, 3, 4, 5, 6};
constexpr jinja::CivilTime kOtherDate{2012, 11, 22, 13, 14, 15};

SystemTurn system_turn(const ChatFormat& format) {
  const std::vector messages{kSystem, kUser};
  try {
    const std::string text =
        render_chat(format, messages, {.end = ChatEnd::kGenerationPrompt, .now = kOneDate});
    return text.find(kSystem.content) != std::string::npos ? SystemTurn::kUsed
                                                           : SystemTurn::kIgnored;
  } catch (const Error&) {  // without the system turn it renders
    return SystemTurn::kRefused;
  }
}

}  // namespace

ChatLint lint_chat(const ChatFormat& format) {
  const std::vector messages{kUser};
  const auto on = [&](const jinja::CivilTime& date) {
    return render_chat(format, messages, {.end = ChatEnd::kGenerationPrompt, .now = date});
  };
  const std::string text = on(kOneDate);
  ChatLint lint;
  if (format.special_tokens.contains("bos_token")) {
    const auto bos = json_get<std::string>(format.special_tokens, "bos_token", "special tokens");
    lint.begins_with_bos = !bos.empty() && text.starts_with(bos);
  }
  lint.system_turn = system_turn(format);
  lint.depends_on_date = on(kOtherDate) != text;
  return lint;
}

}  // namespace assay
