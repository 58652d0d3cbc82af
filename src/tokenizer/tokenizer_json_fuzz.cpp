// Any bytes are a tokenizer or an Error; a tokenizer encodes and decodes any bytes, and exports
// what it read.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "tokenizer/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // The first zero byte, where there is one, parts tokenizer.json from tokenizer_config.json.
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const size_t zero = bytes.find('\0');
  const auto json = bytes.substr(0, zero);
  const auto config = zero == std::string_view::npos ? "" : bytes.substr(zero + 1);
  try {
    const auto tokenizer = assay::tokenizer_from_json(json, config);
    const auto text = bytes.substr(0, 512);
    for (const auto special : {assay::SpecialText::kPlain, assay::SpecialText::kParse}) {
      const auto encoding = tokenizer.encode(text, special);
      if (encoding.ids.size() != encoding.ends.size()) std::abort();
      tokenizer.decode(encoding.ids);
    }
    assay::tokenizer_from_json(tokenizer.to_tokenizer_json().dump(),
                               tokenizer.to_tokenizer_config().dump());
  } catch (const assay::Error&) {
  }
  return 0;
}
