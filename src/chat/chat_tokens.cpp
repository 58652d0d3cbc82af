#include "chat/chat_tokens.h"

#include "base/error.h"

namespace assay {

Encoding encode_chat(const Tokenizer& tokenizer, std::string_view rendered) {
  Encoding encoding = tokenizer.encode(rendered, SpecialText::kParse);
  const auto bos = tokenizer.bos_id();
  require(!tokenizer.adds_bos() || bos, "the tokenizer adds BOS but has none");
  if (!bos) return encoding;
  size_t num_bos = 0;
  while (num_bos < encoding.ids.size() && encoding.ids[num_bos] == *bos) ++num_bos;
  require(num_bos < 2, "the rendered chat starts with BOS ", num_bos, " times");
  if (tokenizer.adds_bos() && num_bos == 0) {
    encoding.ids.insert(encoding.ids.begin(), *bos);
    encoding.ends.insert(encoding.ends.begin(), 0);
  }
  return encoding;
}

}  // namespace assay
