#include "run/chat_record.h"

#include <algorithm>

#include "base/hash.h"
#include "tasks/chat_prompt.h"

namespace assay {
namespace {

Json applied_template(const Plan& plan) {
  const bool is_applied = std::ranges::any_of(
      plan.study.tasks, [](const StudyTask& task) { return task.chat.apply_chat_template; });
  return is_applied ? Json(chat_format_of(plan.tokenizer).text) : Json(nullptr);
}

Json hash_of(const Json& text) {
  return text.is_string() ? Json(sha256_hex(text.get_ref<const std::string&>())) : Json(nullptr);
}

}  // namespace

Json lm_eval_chat_keys(const Plan& plan) {
  const ChatSettings& chat = plan.study.chat;
  const Json text = applied_template(plan);
  const Json instruction =
      chat.system_instruction.empty() ? Json(nullptr) : Json(chat.system_instruction);
  return {{"system_instruction", instruction},
          {"system_instruction_sha", hash_of(instruction)},
          {"fewshot_as_multiturn", chat.fewshot_as_multiturn},
          {"chat_template", text},
          {"chat_template_sha", hash_of(text)}};
}

Json chat_record(const ChatSettings& settings) {
  if (!settings.apply_chat_template) return nullptr;
  return {{"apply_chat_template", true},
          {"system_instruction", settings.system_instruction},
          {"fewshot_as_multiturn", settings.fewshot_as_multiturn},
          {"chat_template_args", settings.template_args}};
}

Json chat_template_hash(const Plan& plan) {
  const Json hash = hash_of(applied_template(plan));
  return hash.is_null() ? hash : Json("sha256:" + hash.get<std::string>());
}

}  // namespace assay
