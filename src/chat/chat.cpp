#include "chat/chat.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "chat/python_text.h"

namespace assay {
namespace {

constexpr std::array<std::string_view, 7> kSpecialTokens = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

// A special token is a text, or an object that says how it is matched beside its "content".
std::string token_text(const Json& token, std::string_view key) {
  if (token.is_string()) return token.get<std::string>();
  const bool has_content =
      token.is_object() && token.contains("content") && token["content"].is_string();
  require_intact(has_content, "tokenizer_config.", key, ": expected text or {\"content\": text}");
  return token["content"].get<std::string>();
}

// What transformers marks the last message's end with, to find it in the rendered text.
constexpr std::string_view kEndMark = "CONTINUE_FINAL_MESSAGE_TAG ";

std::string without_end_spaces(std::string_view text) {
  return std::string(jinja::stripped(text, jinja::Side::kRight));
}

std::string cut_behind_last_turn(const std::string& rendered, const std::string& content) {
  const std::string bare_mark = without_end_spaces(kEndMark);
  const size_t mark = rendered.rfind(bare_mark);
  const bool is_there =
      mark != std::string::npos &&
      rendered.find(jinja::stripped(content, jinja::Side::kBoth)) != std::string::npos;
  require(is_there, "chat template: the last message does not appear in the text, so it cannot be ",
          "continued");
  const std::string before = rendered.substr(0, mark);
  const bool keeps_spaces = std::string_view(rendered).substr(mark).starts_with(kEndMark);
  return keeps_spaces ? before : without_end_spaces(before);
}

}  // namespace

ChatFormat chat_format(std::string text, Json special_tokens) {
  auto parsed = in_context("chat template", [&] { return jinja::parse(text); });
  return {.text = std::move(text),
          .parsed = std::move(parsed),
          .special_tokens = std::move(special_tokens)};
}

Json special_token_texts(const Json& tokenizer_config) {
  require_intact(tokenizer_config.is_object(), "tokenizer_config: expected an object");
  Json texts = Json::object();
  for (const auto key : kSpecialTokens) {
    const auto found = tokenizer_config.find(std::string(key));
    if (found != tokenizer_config.end() && !found->is_null()) {
      texts[std::string(key)] = token_text(*found, key);
    }
  }
  const auto extra = tokenizer_config.find("extra_special_tokens");
  if (extra == tokenizer_config.end() || !extra->is_object()) return texts;  // a list has no names
  for (const auto& [key, token] : extra->items()) texts[key] = token_text(token, key);
  return texts;
}

std::string default_chat_template(const Json& tokenizer_config,
                                  const std::optional<std::string>& jinja_file) {
  if (jinja_file) return *jinja_file;
  require_intact(tokenizer_config.is_object(), "tokenizer_config: expected an object");
  const auto found = tokenizer_config.find("chat_template");
  if (found == tokenizer_config.end() || found->is_null()) return "";
  if (found->is_string()) return found->get<std::string>();
  require_intact(found->is_array(), "tokenizer_config.chat_template: expected text or a list");
  for (const Json& named : *found) {
    const bool is_named = named.is_object() && named.contains("name") &&
                          named["name"].is_string() && named.contains("template") &&
                          named["template"].is_string();
    require_intact(is_named, "tokenizer_config.chat_template: expected a list of {name, template}");
    if (named["name"] == "default") return named["template"].get<std::string>();
  }
  fail(ErrorKind::kCorruptFile, "tokenizer_config.chat_template: none is called 'default'");
}

std::string render_chat(const ChatFormat& format, std::span<const ChatMessage> messages,
                        const ChatOptions& options) {
  require(!messages.empty(), "chat template: a conversation needs at least one message");
  const bool continues = options.end == ChatEnd::kContinuesLastTurn;
  require(!continues || format.text.find("content") != std::string::npos,
          "chat template: it does not read 'content', so the last message cannot be continued");
  Json variables = {{"messages", Json::array()},
                    {"tools", nullptr},
                    {"documents", nullptr},
                    {"add_generation_prompt", options.end == ChatEnd::kGenerationPrompt}};
  for (const auto& [role, content] : messages) {
    variables["messages"].push_back({{"role", role}, {"content", content}});
  }
  if (continues) {
    variables["messages"].back()["content"] = messages.back().content + std::string(kEndMark);
  }
  variables.update(format.special_tokens);
  variables.update(options.variables);
  const std::string rendered = in_context("chat template", [&] {
    return jinja::render(format.parsed, variables, {.now = options.now});
  });
  return continues ? cut_behind_last_turn(rendered, messages.back().content) : rendered;
}

}  // namespace assay
