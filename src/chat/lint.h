#pragma once
// What to know about a chat template before a model is scored with it.

#include "chat/chat.h"

namespace assay {

enum class SystemTurn {
  kUsed,     // its words are in the text
  kIgnored,  // they are not
  kRefused,  // the template raises
};

struct ChatLint {
  // The text starts with the BOS token: a tokenizer that adds BOS makes two of it, unless it is
  // told not to (chat/chat_tokens.h does that).
  bool begins_with_bos = false;
  SystemTurn system_turn = SystemTurn::kUsed;
  bool depends_on_date = false;  // of the day on which it is rendered: runs of two days differ
};

// Renders a conversation of one user turn, with and without a system turn and on two dates. Error
// (kBadInput) where the template cannot render the user turn alone.
ChatLint lint_chat(const ChatFormat& format);

}  // namespace assay
