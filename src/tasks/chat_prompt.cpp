#include "tasks/chat_prompt.h"

#include "base/error.h"
#include "chat/lint.h"

namespace assay {

ChatFormat chat_format_of(const Tokenizer& tokenizer) {
  const Json config = tokenizer.to_tokenizer_config();
  std::string text = default_chat_template(config);
  require(!text.empty(), "apply_chat_template: the tokenizer has no chat template");
  return chat_format(std::move(text), special_token_texts(config));
}

std::optional<ChatPrompt> chat_prompt(const Tokenizer& tokenizer, const ChatSettings& settings,
                                      std::string_view task) {
  return in_context(task, [&]() -> std::optional<ChatPrompt> {
    require(!settings.fewshot_as_multiturn,
            "fewshot_as_multiturn: the task has no few-shot examples");
    if (!settings.apply_chat_template) {
      require(settings.system_instruction.empty(),
              "system_instruction needs apply_chat_template: true");
      return std::nullopt;
    }
    ChatPrompt prompt{.format = chat_format_of(tokenizer),
                      .system_instruction = settings.system_instruction,
                      .template_args = settings.template_args};
    if (prompt.system_instruction.empty()) return prompt;
    const SystemTurn system_turn = lint_chat(prompt.format).system_turn;
    require(system_turn == SystemTurn::kUsed, "system_instruction: the chat template ",
            system_turn == SystemTurn::kIgnored ? "ignores" : "refuses", " a system turn");
    return prompt;
  });
}

void refuse_chat(const ChatSettings& settings, std::string_view task, std::string_view why) {
  require(!settings.fewshot_as_multiturn, task,
          ": fewshot_as_multiturn: the task has no few-shot examples");
  require(!settings.apply_chat_template && settings.system_instruction.empty(), task,
          ": apply_chat_template: ", why);
}

std::string rendered_chat(const ChatPrompt& prompt, std::span<const ChatMessage> messages) {
  return render_chat(prompt.format, messages,
                     {.end = ChatEnd::kGenerationPrompt, .variables = prompt.template_args});
}

void ask_as_chat(const ChatPrompt& prompt, Sample& sample) {
  std::vector<ChatMessage> messages;
  if (!prompt.system_instruction.empty()) messages.push_back({"system", prompt.system_instruction});
  messages.push_back({"user", sample.context});
  sample.context = in_context(sample.id, [&] { return rendered_chat(prompt, messages); });
  for (std::string& choice : sample.choices) {
    if (choice.starts_with(' ')) choice.erase(0, 1);
  }
  sample.is_chat = true;
}

}  // namespace assay
