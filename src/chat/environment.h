#pragma once
// What a template can call: the filters, tests, methods and functions of the environment in which
// transformers renders chat templates (jinja2's ImmutableSandboxedEnvironment).

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chat/civil_time.h"
#include "chat/value.h"

namespace assay::jinja {

struct Environment {
  Budget& budget;
  std::optional<CivilTime> now;  // what strftime_now tells
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

// The arguments of `function` in the order of `names`, null where one is not given. A fault on one
// too many, twice or unknown, and where one of the first `num_required` is missing.
std::vector<const Value*> bind(std::string_view function, const Arguments& arguments,
                               std::initializer_list<std::string_view> names,
                               size_t num_required = 0);

// An argument of one type; a fault names the function otherwise. Null gives the fallback.
std::string_view text_argument(std::string_view function, const Value* value,
                               std::string_view fallback = {});
int64_t whole_argument(std::string_view function, const Value* value, int64_t fallback = 0);
bool flag_argument(const Value* value, bool fallback);

// value|name(...), value is name(...). A fault names a filter or test that is not known.
Value apply_filter(Environment& environment, const std::string& name, const Value& value,
                   const Arguments& arguments);
bool apply_test(Environment& environment, const std::string& name, const Value& value,
                const Arguments& arguments);

// owner.name and owner[key]: undefined where there is none, as Jinja looks them up (a.b asks for a
// method first, a["b"] for a member).
Value attribute_of(Environment& environment, const Value& owner, const std::string& name);
Value item_of(Environment& environment, const Value& owner, const Value& key);
Value slice_of(Environment& environment, const Value& owner, const Value& start, const Value& stop,
               const Value& step);

// A method of text or a dict, or a function of the environment: range, dict, namespace apart (the
// interpreter owns namespaces), raise_exception, strftime_now.
bool is_method(const Value& owner, std::string_view name);
Value call_method(Environment& environment, const Callable& method, const Arguments& arguments);
bool is_function(std::string_view name);
Value call_function(Environment& environment, const std::string& name, const Arguments& arguments);

Value add(Environment& environment, const Value& a, const Value& b);  // a + b
Value arithmetic(Environment& environment, std::string_view op, const Value& a, const Value& b);

// "%s and %d" % arguments.
std::string percent_formatted(Budget& budget, std::string_view format, const Value& arguments);

}  // namespace assay::jinja
