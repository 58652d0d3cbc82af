// Any bytes are a SentencePiece model or an Error; a tokenizer made of one encodes and decodes any
// bytes, and exports what it read.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "tokenizer/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const auto tokenizer = assay::tokenizer_from_sentencepiece(bytes, "");
    const auto encoding = tokenizer.encode(bytes.substr(0, 512), assay::SpecialText::kParse);
    if (encoding.ids.size() != encoding.ends.size()) std::abort();
    tokenizer.decode(encoding.ids);
    assay::tokenizer_from_json(tokenizer.to_tokenizer_json().dump(),
                               tokenizer.to_tokenizer_config().dump());
  } catch (const assay::Error&) {
  }
  return 0;
}
