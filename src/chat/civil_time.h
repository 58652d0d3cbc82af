#pragma once
// A date and time as the caller gives it: nothing in this folder reads a clock.

#include <string>
#include <string_view>

namespace assay::jinja {

struct CivilTime {
  int year = 1970, month = 1, day = 1;  // month and day from 1
  int hour = 0, minute = 0, second = 0;
};

// datetime.strftime in the C locale, for the directives a A b B d F H I j m M p S T y Y % and the
// flag "-" (no padding). A fault names another one, and a time that is not in the calendar.
std::string formatted_time(const CivilTime& time, std::string_view format);

}  // namespace assay::jinja
