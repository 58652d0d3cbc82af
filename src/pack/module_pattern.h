#pragma once
// How quantization configs name modules ("model.layers.0.mlp.up_proj").

#include <memory>
#include <string>
#include <string_view>

namespace assay {

class ModulePattern {
 public:
  enum class Kind {
    kAny,
    kName,     // the whole name
    kSuffix,   // its end, behind a dot or the start
    kRegex,    // matches from the start of the name, not always to its end (Python's re.match)
    kSkipped,  // modules_to_not_convert of transformers: from the start to the end of a part of the
               // name, as a regex; or any end of the name
  };

  // Error(kBadInput) where a regex does not compile.
  ModulePattern(Kind kind, std::string text);

  // Error(kBadInput) where the regex needs too many steps.
  bool fits(std::string_view module) const;
  const std::string& text() const { return text_; }

 private:
  Kind kind_;
  std::string text_;
  std::shared_ptr<void> code_;  // a compiled pattern
};

}  // namespace assay
