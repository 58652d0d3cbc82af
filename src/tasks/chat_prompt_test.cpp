#include "tasks/chat_prompt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "model/tiny_model.h"
#include "tasks/tasks.h"

namespace assay {
namespace {

using testing::HasSubstr;

constexpr const char* kTemplate =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{{ think | default('') }}{% endif %}";

Tokenizer tokenizer_with(const std::string& chat_template) {
  Json config = tiny_tokenizer_config();
  if (!chat_template.empty()) config["chat_template"] = chat_template;
  return tokenizer_from_json(tiny_tokenizer_json().dump(), config.dump());
}

TaskOptions as_chat(const std::string& system_instruction = "") {
  TaskOptions options;
  options.limit = 12;
  options.chat.apply_chat_template = true;
  options.chat.system_instruction = system_instruction;
  return options;
}

std::string refusal(const std::string& task, const TaskOptions& options,
                    const std::string& chat_template = kTemplate) {
  const std::string name = task.substr(0, task.find('/'));
  const std::string subset = name == task ? "" : task.substr(name.size() + 1);
  try {
    task_named(name).items(tokenizer_with(chat_template), subset, options);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(ChatPrompt, PutsEachContextAsAUsersTurn) {
  const Tokenizer tokenizer = tokenizer_with(kTemplate);
  TaskOptions plain = as_chat();
  plain.chat = {};
  const auto asked = task_named("stereoqa").items(tokenizer, "", as_chat("Be brief."));
  const auto before = task_named("stereoqa").items(tokenizer, "", plain);
  ASSERT_EQ(asked.size(), 12u);
  for (size_t i = 0; i < asked.size(); ++i) {
    const auto& [sample, requests] = asked[i];
    EXPECT_EQ(sample.context, "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n" +
                                  before[i].sample.context + "<|im_end|>\n<|im_start|>assistant\n");
    ASSERT_EQ(requests.size(), sample.choices.size());
    for (size_t c = 0; c < requests.size(); ++c) {
      EXPECT_EQ(" " + sample.choices[c], before[i].sample.choices[c]);
      EXPECT_EQ(tokenizer.decode(requests[c].context_ids), sample.context);
      EXPECT_EQ(tokenizer.decode(requests[c].continuation_ids), sample.choices[c]);
      const auto& ids = requests[c].context_ids;
      EXPECT_EQ(std::ranges::count(ids, *tokenizer.bos_id()), 3) << "special tokens are tokens";
    }
  }
}

TEST(ChatPrompt, PassesArgumentsToTheTemplate) {
  TaskOptions options = as_chat();
  options.chat.template_args = {{"think", "<think></think>"}};
  const auto items = task_named("stereoqa").items(tokenizer_with(kTemplate), "", options);
  EXPECT_TRUE(items[0].sample.context.ends_with("assistant\n<think></think>"));
}

TEST(ChatPrompt, RefusesByName) {
  EXPECT_EQ(refusal("perplexity/xsum", as_chat()),
            "perplexity: apply_chat_template: running text has no turns");
  EXPECT_THAT(refusal("dialect", as_chat()), HasSubstr("dialect: apply_chat_template: items are"));
  EXPECT_THAT(refusal("stereoset", as_chat()),
              HasSubstr("stereoset: apply_chat_template: intrasentence items are whole sentences"));
  EXPECT_EQ(refusal("stereoqa", as_chat(), ""),
            "stereoqa: apply_chat_template: the tokenizer has no chat template");
  EXPECT_EQ(refusal("stereoqa", as_chat("Be brief."), "{{ messages[-1].content }}"),
            "stereoqa: system_instruction: the chat template ignores a system turn");
  EXPECT_EQ(refusal("stereoqa", as_chat("Be brief."),
                    "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}x"),
            "stereoqa: system_instruction: the chat template refuses a system turn");
  EXPECT_THAT(refusal("stereoqa", as_chat(), "{{ strftime_now('%d') }}"),
              HasSubstr("the template asks for the date, and none was given"));

  TaskOptions options = as_chat();
  options.chat.fewshot_as_multiturn = true;
  EXPECT_EQ(refusal("stereoqa", options),
            "stereoqa: fewshot_as_multiturn: the task has no few-shot examples");
  options = as_chat("Be brief.");
  options.chat.apply_chat_template = false;
  EXPECT_EQ(refusal("stereoqa", options),
            "stereoqa: system_instruction needs apply_chat_template: true");
  options = as_chat();
  options.extra = {{"protocol", "beyond-perplexity"}};
  EXPECT_EQ(refusal("stereoqa", options),
            "stereoqa: apply_chat_template: the protocol beyond-perplexity has no chat");
}

}  // namespace
}  // namespace assay
