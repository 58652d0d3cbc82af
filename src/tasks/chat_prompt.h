#pragma once
// A question as a user's turn of the model's chat template: lm-eval's apply_chat_template
// (docs/chat-templates.md).

#include <optional>
#include <string>
#include <string_view>

#include "chat/chat.h"
#include "data/sample.h"
#include "tasks/task.h"
#include "tokenizer/tokenizer.h"

namespace assay {

struct ChatPrompt {
  ChatFormat format;
  std::string system_instruction;  // empty: no system turn
  Json template_args;              // what else the template sees
};

// How `tokenizer` writes conversations. Error(kBadInput) where it has no chat template.
ChatFormat chat_format_of(const Tokenizer& tokenizer);

// The prompt that the options ask for; nothing where they do not apply the template.
// Error(kBadInput) where the template cannot take a system instruction, and on few-shot turns: no
// task has few-shot examples.
std::optional<ChatPrompt> chat_prompt(const Tokenizer& tokenizer, const ChatSettings& settings,
                                      std::string_view task);

// Error(kBadInput) where a chat is asked for: `why` a task is none.
void refuse_chat(const ChatSettings& settings, std::string_view task, std::string_view why);

// The conversation up to the assistant's answer.
std::string rendered_chat(const ChatPrompt& prompt, std::span<const ChatMessage> messages);

// Turns the sample's context into a user's turn behind the system instruction. The choices lose the
// space that divided them from the context, as in lm-eval.
void ask_as_chat(const ChatPrompt& prompt, Sample& sample);

}  // namespace assay
