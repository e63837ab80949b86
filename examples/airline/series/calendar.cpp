#include <tapestry/examples/airline/series/calendar.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

using std::chrono::sys_days;
using std::chrono::year_month_day;

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }
int64_t month_count(int64_t year, int64_t month) { return (year - 1970) * 12 + month - 1; }

// Takes exactly `digits` digits off the front of `text`.
std::optional<int64_t> take_number(std::string_view& text, size_t digits) {
  int64_t value = 0;
  if (text.size() < digits) return std::nullopt;
  for (const char c : text.substr(0, digits)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// "Jan 1949", "january-1949".
std::optional<Stamp> parse_named_month(std::string_view text) {
  static constexpr std::array<std::string_view, 12> months = {
      "january", "february", "march",     "april",   "may",      "june",
      "july",    "august",   "september", "october", "november", "december"};
  std::string word;
  while (!text.empty() && lower(text.front()) >= 'a' && lower(text.front()) <= 'z') {
    word += lower(text.front());
    text.remove_prefix(1);
  }
  if (!take(text, " -")) return std::nullopt;
  const auto year = take_number(text, 4);
  if (!year || !text.empty()) return std::nullopt;
  for (size_t i = 0; i < months.size(); ++i)
    if (word == months[i] || word == months[i].substr(0, 3))
      return Stamp{Unit::month, month_count(*year, static_cast<int64_t>(i) + 1)};
  return std::nullopt;
}

// Any unit to days (its first day) or to months.
int64_t months_of(Stamp stamp) {
  if (stamp.unit == Unit::quarter) return stamp.count * 3;
  if (stamp.unit == Unit::month) return stamp.count;
  const int64_t days = stamp.unit == Unit::day ? stamp.count : floor_div(stamp.count, 24);
  const year_month_day date{sys_days{std::chrono::days{days}}};
  return month_count(static_cast<int>(date.year()), static_cast<unsigned>(date.month()));
}

std::string print(const char* format, int64_t a, int64_t b = 0, int64_t c = 0, int64_t d = 0) {
  char text[96];
  std::snprintf(text, sizeof text, format, static_cast<long long>(a), static_cast<long long>(b),
                static_cast<long long>(c), static_cast<long long>(d));
  return text;
}

// The frequency for which `step` units is one period.
std::optional<Frequency> frequency_of_step(Unit unit, int64_t step) {
  const auto within = [step](int64_t low, int64_t high) { return low <= step && step <= high; };
  switch (unit) {
    case Unit::quarter:
      if (step == 1) return Frequency::quarterly;
      break;
    case Unit::month:
      if (step == 1) return Frequency::monthly;
      if (step == 3) return Frequency::quarterly;
      break;
    case Unit::day:
      if (step == 1) return Frequency::daily;
      if (step == 7) return Frequency::weekly;
      if (within(28, 31)) return Frequency::monthly;
      if (within(90, 92)) return Frequency::quarterly;
      break;
    case Unit::hour:
      if (step == 1) return Frequency::hourly;
      if (step % 24 == 0) return frequency_of_step(Unit::day, step / 24);
      break;
  }
  return std::nullopt;
}

struct FrequencyFacts {
  const char *name, *period, *option;
  size_t season;
  Unit unit;  // the coarsest unit whose stamps can carry it
};
constexpr FrequencyFacts facts[] = {
    {"none", "row", "none", 1, Unit::quarter},  {"hourly", "hour", "H", 24, Unit::hour},
    {"daily", "day", "D", 7, Unit::day},        {"weekly", "week", "W", 52, Unit::day},
    {"monthly", "month", "M", 12, Unit::month}, {"quarterly", "quarter", "Q", 4, Unit::quarter},
};
const FrequencyFacts& of(Frequency frequency) { return facts[static_cast<size_t>(frequency)]; }

}  // namespace

std::optional<Stamp> parse_stamp(std::string_view text) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return parse_named_month(text);
  const auto year = take_number(text, 4);
  if (!year) return std::nullopt;
  const char separator = text.empty() ? '\0' : text.front();
  take(text, "-/");
  if (take(text, "Qq")) {
    const auto quarter = take_number(text, 1);
    if (!quarter || *quarter < 1 || *quarter > 4 || !text.empty()) return std::nullopt;
    return Stamp{Unit::quarter, (*year - 1970) * 4 + *quarter - 1};
  }
  if (separator != '-' && separator != '/') return std::nullopt;
  const auto month = take_number(text, 2);
  if (!month || *month < 1 || *month > 12) return std::nullopt;
  if (text.empty()) return Stamp{Unit::month, month_count(*year, *month)};

  if (!take(text, std::string_view(&separator, 1))) return std::nullopt;
  const auto day = take_number(text, 2);
  if (!day) return std::nullopt;
  const year_month_day date{std::chrono::year{static_cast<int>(*year)},
                            std::chrono::month{static_cast<unsigned>(*month)},
                            std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return std::nullopt;
  const int64_t days = sys_days{date}.time_since_epoch().count();
  if (text.empty()) return Stamp{Unit::day, days};

  if (!take(text, " T")) return std::nullopt;
  const auto hour = take_number(text, 2);
  if (!hour || *hour > 23) return std::nullopt;
  if (text.starts_with(":00")) text.remove_prefix(3);
  if (text.starts_with(":00")) text.remove_prefix(3);
  if (text == "Z") text = {};
  if (!text.empty()) return std::nullopt;
  return Stamp{Unit::hour, days * 24 + *hour};
}

std::optional<Frequency> infer_frequency(std::span<const Stamp> stamps) {
  std::array<size_t, std::size(facts)> votes{};
  for (size_t i = 1; i < stamps.size(); ++i)
    if (const auto vote = frequency_of_step(stamps[i].unit, stamps[i].count - stamps[i - 1].count))
      ++votes[static_cast<size_t>(*vote)];
  const auto most = std::max_element(votes.begin(), votes.end());
  if (*most == 0) return std::nullopt;
  return static_cast<Frequency>(most - votes.begin());
}

const char* name(Frequency frequency) { return of(frequency).name; }
const char* period_name(Frequency frequency) { return of(frequency).period; }
size_t season_length(Frequency frequency) { return of(frequency).season; }

std::optional<Frequency> parse_frequency(std::string_view text) {
  if (text == "auto") return std::nullopt;
  for (size_t i = 0; i < std::size(facts); ++i)
    if (text == facts[i].option || text == facts[i].name) return static_cast<Frequency>(i);
  fail<ValueError>("frequency: \"", text, "\" is unknown (expected auto, none, H, D, W, M or Q)");
}

Calendar::Calendar(Frequency frequency, Stamp first) : frequency_(frequency) {
  require<ValueError>(frequency != Frequency::none,
                      "calendar: a series without a frequency has none");
  require<ValueError>(first.unit <= of(frequency).unit, "calendar: a ", name(frequency),
                      " series needs finer time stamps than the file has");
  if (frequency == Frequency::weekly) {
    const int64_t day = first.unit == Unit::hour ? floor_div(first.count, 24) : first.count;
    weekday_ = day - floor_div(day, 7) * 7;
  }
}

std::optional<int64_t> Calendar::period(Stamp stamp) const {
  switch (frequency_) {
    case Frequency::quarterly:
      return floor_div(months_of(stamp), 3);
    case Frequency::monthly:
      return months_of(stamp);
    case Frequency::hourly:
      return stamp.count;
    default:
      break;
  }
  const int64_t day = stamp.unit == Unit::hour ? floor_div(stamp.count, 24) : stamp.count;
  if (frequency_ == Frequency::daily) return day;
  const int64_t week = floor_div(day - weekday_, 7);
  if (week * 7 + weekday_ != day) return std::nullopt;
  return week;
}

std::string Calendar::label(int64_t period) const {
  if (frequency_ == Frequency::monthly || frequency_ == Frequency::quarterly) {
    const int64_t per_year = frequency_ == Frequency::monthly ? 12 : 4;
    const int64_t year = floor_div(period, per_year);
    return print(per_year == 12 ? "%04lld-%02lld" : "%04lld-Q%lld", year + 1970,
                 period - year * per_year + 1);
  }
  int64_t day = period;
  if (frequency_ == Frequency::weekly) day = period * 7 + weekday_;
  if (frequency_ == Frequency::hourly) day = floor_div(period, 24);
  const year_month_day date{sys_days{std::chrono::days{day}}};
  return print(
      frequency_ == Frequency::hourly ? "%04lld-%02lld-%02lld %02lld:00" : "%04lld-%02lld-%02lld",
      static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
      static_cast<unsigned>(date.day()), period - day * 24);
}

}  // namespace tapestry::airline
