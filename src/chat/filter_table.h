#pragma once
// The filters, by what they work on.

#include <span>

#include "chat/environment.h"

namespace assay::jinja {

struct FilterCall {
  Environment& environment;
  std::string_view name;
  const Value& value;
  const Arguments& arguments;

  Budget& budget() const { return environment.budget; }
  std::vector<const Value*> bind(std::initializer_list<std::string_view> names,
                                 size_t num_required = 0) const {
    return jinja::bind(name, arguments, names, num_required);
  }
};

struct Filter {
  std::string_view name;
  Value (*apply)(const FilterCall&);
};

std::span<const Filter> text_filters();
std::span<const Filter> sequence_filters();

// What map(attribute=...), selectattr and their like ask of each element: "a.b.0" is looked up part
// by part, `fallback` (or null) for each that is not there; null gives the element itself.
Value looked_up(Environment& environment, const Value& element, const Value* attribute,
                const Value* fallback = nullptr);

}  // namespace assay::jinja
