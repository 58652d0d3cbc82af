#include "chat/civil_time.h"

#include <array>

#include "chat/budget.h"

namespace assay::jinja {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};
constexpr std::array<std::string_view, 7> kWeekdays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};

bool is_leap(int year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

int days_in(int month, int year) {
  constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && is_leap(year) ? 29 : kDays[static_cast<size_t>(month - 1)];
}

int day_of_year(const CivilTime& time) {
  int days = time.day;
  for (int month = 1; month < time.month; ++month) days += days_in(month, time.year);
  return days;
}

// 0 is Sunday. Of the proleptic Gregorian calendar, whose day 1 of year 1 was a Monday.
size_t weekday(const CivilTime& time) {
  const int before = time.year - 1;
  return static_cast<size_t>(
      (before * 365 + before / 4 - before / 100 + before / 400 + day_of_year(time)) % 7);
}

void check(const CivilTime& time) {
  const bool is_date = time.year >= 1 && time.year <= 9999 && time.month >= 1 && time.month <= 12 &&
                       time.day >= 1 && time.day <= days_in(time.month, time.year);
  const bool is_time = time.hour >= 0 && time.hour < 24 && time.minute >= 0 && time.minute < 60 &&
                       time.second >= 0 && time.second < 60;
  if (!is_date || !is_time) fault("the given time is no date of the calendar");
}

enum class Padding { kZero, kNone };

std::string number(int value, size_t width, Padding padding) {
  std::string digits = std::to_string(value);
  if (padding == Padding::kZero && digits.size() < width)
    digits.insert(0, width - digits.size(), '0');
  return digits;
}

std::string directive(const CivilTime& time, char letter, Padding padding) {
  const std::string_view month = kMonths[static_cast<size_t>(time.month - 1)];
  const std::string_view day = kWeekdays[weekday(time)];
  switch (letter) {
    case 'a':
      return std::string(day.substr(0, 3));
    case 'A':
      return std::string(day);
    case 'b':
      return std::string(month.substr(0, 3));
    case 'B':
      return std::string(month);
    case 'd':
      return number(time.day, 2, padding);
    case 'H':
      return number(time.hour, 2, padding);
    case 'I':
      return number((time.hour + 11) % 12 + 1, 2, padding);
    case 'j':
      return number(day_of_year(time), 3, padding);
    case 'm':
      return number(time.month, 2, padding);
    case 'M':
      return number(time.minute, 2, padding);
    case 'p':
      return time.hour < 12 ? "AM" : "PM";
    case 'S':
      return number(time.second, 2, padding);
    case 'y':
      return number(time.year % 100, 2, padding);
    case 'Y':
      return number(time.year, 4, padding);
    case 'F':
      return formatted_time(time, "%Y-%m-%d");
    case 'T':
      return formatted_time(time, "%H:%M:%S");
    case '%':
      return "%";
    default:
      fault("unsupported: the directive %", letter, " of strftime_now");
  }
}

}  // namespace

std::string formatted_time(const CivilTime& time, std::string_view format) {
  check(time);
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    Padding padding = Padding::kZero;
    if (++i < format.size() && format[i] == '-') {
      padding = Padding::kNone;
      ++i;
    }
    if (i >= format.size()) fault("the format of strftime_now ends within a directive");
    out += directive(time, format[i], padding);
  }
  return out;
}

}  // namespace assay::jinja
