#pragma once
// How questions are put to a chat model, in lm-eval's words. What they do: tasks/chat_prompt.h.

#include <string>

#include "base/json.h"

namespace assay {

struct ChatSettings {
  bool apply_chat_template = false;  // each context is a user's turn
  std::string system_instruction;    // empty: no system turn
  bool fewshot_as_multiturn = false;
  Json template_args = Json::object();  // what else the template sees: {"enable_thinking": false}
};

}  // namespace assay
