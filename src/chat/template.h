#pragma once
// Chat templates: the Jinja that transformers renders them with (jinja2's ImmutableSandboxed-
// Environment, trim_blocks and lstrip_blocks on, loopcontrols, the tag generation, raise_exception,
// strftime_now). What is supported: docs/chat-templates.md.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "chat/budget.h"
#include "chat/civil_time.h"
#include "chat/syntax.h"

namespace assay::jinja {

struct Template {
  std::shared_ptr<const Block> statements;
};

// Error(kBadInput) names the line and what is wrong or unsupported there.
Template parse(std::string_view text);

struct RenderOptions {
  std::optional<CivilTime> now =
      std::nullopt;  // what strftime_now tells; nothing: asking is an error
  Limits limits = {};
};

// The text of the template with `variables` (an object; a name that is missing is undefined, null
// is None). Pure. Error(kBadInput) is "line N: " and what went wrong: a use of an undefined value,
// an unsupported construct, raise_exception's own message, work beyond the limits.
std::string render(const Template& chat_template, const Json& variables,
                   const RenderOptions& options = {});

}  // namespace assay::jinja
