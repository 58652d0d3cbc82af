// Any bytes are refused with an Error, or rendered within the limits.

#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "base/utf8.h"
#include "chat/template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace assay;
  static const Json kVariables = {{"messages",
                                   {{{"role", "system"}, {"content", "be \"brief\""}},
                                    {{"role", "user"}, {"content", "h\u00e9llo\n"}},
                                    {{"role", "assistant"}, {"content", ""}}}},
                                  {"tools", nullptr},
                                  {"bos_token", "<s>"},
                                  {"add_generation_prompt", true}};
  jinja::RenderOptions options;
  options.now = jinja::CivilTime{2024, 7, 26};
  options.limits = {.max_work = 1 << 20, .max_output = 1 << 16};
  try {
    const auto parsed = jinja::parse({reinterpret_cast<const char*>(data), size});
    const std::string text = jinja::render(parsed, kVariables, options);
    if (text.size() > options.limits.max_output) std::abort();
    if (first_invalid_utf8(text)) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
