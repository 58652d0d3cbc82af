#pragma once
// A conversation as the text that a model was trained on: apply_chat_template of transformers, with
// tokenize=False.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "chat/template.h"

namespace assay {

struct ChatMessage {
  std::string role;  // "system", "user", "assistant", ...
  std::string content;
};

// How a checkpoint writes a conversation.
struct ChatFormat {
  std::string text;  // the template, in Jinja
  jinja::Template parsed;
  Json special_tokens;  // {"bos_token": "<s>", ...}: the strings that the template sees
};

// Error(kBadInput) is "chat template: line N: ..." where the template is wrong or unsupported.
ChatFormat chat_format(std::string text, Json special_tokens);

// The special tokens that transformers passes to a template: of tokenizer_config.json, as strings
// or {"content": ...}: bos, eos, unk, sep, pad, cls and mask token, and what extra_special_tokens
// names. Error(kCorruptFile) names the key.
Json special_token_texts(const Json& tokenizer_config);

// The template that transformers takes where none is named: `jinja_file`, the text of
// chat_template.jinja, if there is one, else "chat_template" of tokenizer_config.json, which is a
// text or a list of {"name", "template"} with one called "default". Empty where there is none.
// Error(kCorruptFile) on another shape, and on a list without "default".
std::string default_chat_template(const Json& tokenizer_config,
                                  const std::optional<std::string>& jinja_file = std::nullopt);

enum class ChatEnd {
  kAsGiven,            // the template's end
  kGenerationPrompt,   // the header of an assistant's turn (add_generation_prompt)
  kContinuesLastTurn,  // cut behind the last message's content (continue_final_message)
};

struct ChatOptions {
  ChatEnd end = ChatEnd::kAsGiven;
  Json variables = Json::object();  // what else the template sees; over messages' own defaults:
                                    // tools and documents are null, as transformers passes them
  std::optional<jinja::CivilTime> now = std::nullopt;  // for strftime_now
};

// The text of a conversation of at least one message. Error(kBadInput) is "chat template: line N: "
// and the template's own words where it raises, or what else is wrong.
std::string render_chat(const ChatFormat& format, std::span<const ChatMessage> messages,
                        const ChatOptions& options = {});

}  // namespace assay
