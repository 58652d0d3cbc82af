// Arguments of calls (declared in chat/environment.h).

#include <algorithm>

#include "chat/environment.h"

namespace assay::jinja {

std::vector<const Value*> bind(std::string_view function, const Arguments& arguments,
                               std::initializer_list<std::string_view> names, size_t num_required) {
  std::vector<const Value*> bound(names.size(), nullptr);
  if (arguments.positional.size() > names.size()) {
    fault(function, "() takes at most ", names.size(), " arguments, got ",
          arguments.positional.size());
  }
  for (size_t i = 0; i < arguments.positional.size(); ++i) bound[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    const auto found = std::ranges::find(names, name);
    if (found == names.end()) fault(function, "() has no argument '", name, "'");
    const Value*& place = bound[static_cast<size_t>(found - names.begin())];
    if (place != nullptr) fault(function, "() got '", name, "' twice");
    place = &value;
  }
  for (size_t i = 0; i < num_required; ++i) {
    if (bound[i] == nullptr) fault(function, "() misses the argument '", names.begin()[i], "'");
  }
  return bound;
}

std::string_view text_argument(std::string_view function, const Value* value,
                               std::string_view fallback) {
  if (value == nullptr) return fallback;
  require_defined(*value);
  if (value->text() == nullptr) fault(function, "() needs text, got ", type_name(*value));
  return *value->text();
}

int64_t whole_argument(std::string_view function, const Value* value, int64_t fallback) {
  if (value == nullptr) return fallback;
  require_defined(*value);
  const auto whole = value->integer();
  if (!whole) fault(function, "() needs an integer, got ", type_name(*value));
  return *whole;
}

bool flag_argument(const Value* value, bool fallback) {
  return value == nullptr ? fallback : truth(*value);
}

}  // namespace assay::jinja
