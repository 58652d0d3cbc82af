#pragma once
// What a judge says of one answer.

#include <string>
#include <variant>

namespace assay {

struct Unscored {
  std::string reason;  // counted and shown in the report, never averaged in as 0
};
using Score = std::variant<double, Unscored>;

}  // namespace assay
