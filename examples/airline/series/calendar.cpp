#include <tapestry/examples/airline/series/calendar.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

using std::chrono::sys_days;
using std::chrono::year_month_day;

struct FrequencyFacts {
  const char *name, *period, *option;
  size_t season;
  Unit unit;        // the coarsest unit whose stamps can carry it
  int64_t minutes;  // of one period, below the hour
};
constexpr FrequencyFacts facts[] = {
    {"none", "row", "none", 1, Unit::year, 0},
    {"1-minute", "minute", "1min", 1440, Unit::hour, 1},
    {"5-minute", "5-minute step", "5min", 288, Unit::hour, 5},
    {"10-minute", "10-minute step", "10min", 144, Unit::hour, 10},
    {"15-minute", "15-minute step", "15min", 96, Unit::hour, 15},
    {"30-minute", "30-minute step", "30min", 48, Unit::hour, 30},
    {"hourly", "hour", "H", 24, Unit::hour, 60},
    {"daily", "day", "D", 7, Unit::day, 0},
    {"business-daily", "business day", "B", 5, Unit::day, 0},
    {"weekly", "week", "W", 52, Unit::day, 0},
    {"monthly", "month", "M", 12, Unit::month, 0},
    {"quarterly", "quarter", "Q", 4, Unit::quarter, 0},
    {"yearly", "year", "Y", 1, Unit::year, 0},
};
const FrequencyFacts& of(Frequency frequency) { return facts[static_cast<size_t>(frequency)]; }

constexpr auto all = [] {
  std::array<Frequency, std::size(facts)> out{};
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<Frequency>(i);
  return out;
}();

std::string print(const char* format, int64_t a, int64_t b = 0, int64_t c = 0, int64_t d = 0,
                  int64_t e = 0) {
  char text[120];
  std::snprintf(text, sizeof text, format, static_cast<long long>(a), static_cast<long long>(b),
                static_cast<long long>(c), static_cast<long long>(d), static_cast<long long>(e));
  return text;
}

/// The frequency for which `step` units is one period.
std::optional<Frequency> frequency_of_step(Unit unit, int64_t step) {
  const auto within = [step](int64_t low, int64_t high) { return low <= step && step <= high; };
  switch (unit) {
    case Unit::year:
      if (step == 1) return Frequency::yearly;
      break;
    case Unit::quarter:
      if (step == 1) return Frequency::quarterly;
      if (step == 4) return Frequency::yearly;
      break;
    case Unit::month:
      if (step == 1) return Frequency::monthly;
      if (step == 3) return Frequency::quarterly;
      if (step == 12) return Frequency::yearly;
      break;
    case Unit::day:
      if (step == 1) return Frequency::daily;
      if (step == 7) return Frequency::weekly;
      if (within(28, 31)) return Frequency::monthly;
      if (within(90, 92)) return Frequency::quarterly;
      if (within(365, 366)) return Frequency::yearly;
      break;
    case Unit::hour:
      if (step == 1) return Frequency::hourly;
      if (step % 24 == 0) return frequency_of_step(Unit::day, step / 24);
      break;
    case Unit::minute:
      for (const Frequency f : all)
        if (of(f).minutes > 0 && of(f).minutes == step) return f;
      if (step % (24 * 60) == 0) return frequency_of_step(Unit::day, step / (24 * 60));
      break;
  }
  return std::nullopt;
}

/// 0 for Monday to 6.
int64_t weekday_of(int64_t day) { return day + 3 - 7 * floor_div(day + 3, 7); }

/// Whether days that follow each other leave out weekends, and at least one of them.
bool skips_weekends(std::span<const Stamp> stamps) {
  bool skipped = false;
  for (size_t i = 0; i < stamps.size(); ++i) {
    const int64_t day = day_of(stamps[i]);
    if (weekday_of(day) >= 5) return false;
    if (i > 0) skipped |= weekday_of(day) < weekday_of(day_of(stamps[i - 1]));
  }
  return skipped;
}

}  // namespace

std::optional<Frequency> infer_frequency(std::span<const Stamp> stamps) {
  std::array<size_t, std::size(facts)> votes{};
  for (size_t i = 1; i < stamps.size(); ++i)
    if (const auto vote = frequency_of_step(stamps[i].unit, stamps[i].count - stamps[i - 1].count))
      ++votes[static_cast<size_t>(*vote)];
  const auto most = std::max_element(votes.begin(), votes.end());
  if (*most == 0) return std::nullopt;
  const auto frequency = static_cast<Frequency>(most - votes.begin());
  if (frequency == Frequency::daily && skips_weekends(stamps)) return Frequency::business;
  return frequency;
}

const char* name(Frequency frequency) { return of(frequency).name; }
const char* period_name(Frequency frequency) { return of(frequency).period; }
const char* option_name(Frequency frequency) { return of(frequency).option; }
std::span<const Frequency> frequencies() { return all; }
size_t season_length(Frequency frequency) { return of(frequency).season; }

Calendar::Calendar(Frequency frequency, Stamp first) : frequency_(frequency) {
  require<ValueError>(frequency != Frequency::none,
                      "calendar: a series without a frequency has none");
  require<ValueError>(first.unit <= of(frequency).unit, "calendar: a ", name(frequency),
                      " series needs finer time stamps than the file has");
  int64_t at = 0;
  if (frequency == Frequency::weekly) {
    step_ = 7;
    at = day_of(first);
  } else if (of(frequency).minutes > 0) {
    step_ = of(frequency).minutes;
    at = in_minutes(first).count;
  }
  phase_ = at - floor_div(at, step_) * step_;
}

std::optional<int64_t> Calendar::period(Stamp stamp) const {
  switch (frequency_) {
    case Frequency::yearly:
      return floor_div(month_of(stamp), 12);
    case Frequency::quarterly:
      return floor_div(month_of(stamp), 3);
    case Frequency::monthly:
      return month_of(stamp);
    case Frequency::daily:
      return day_of(stamp);
    case Frequency::business: {
      const int64_t day = day_of(stamp), weekday = weekday_of(day);
      if (weekday >= 5) return std::nullopt;
      return floor_div(day + 3, 7) * 5 + weekday;
    }
    default:
      break;
  }
  const int64_t at = frequency_ == Frequency::weekly ? day_of(stamp) : in_minutes(stamp).count;
  const int64_t number = floor_div(at - phase_, step_);
  if (number * step_ + phase_ != at) return std::nullopt;
  return number;
}

std::string Calendar::label(int64_t period) const {
  if (frequency_ == Frequency::yearly) return print("%04lld", period + 1970);
  if (frequency_ == Frequency::monthly || frequency_ == Frequency::quarterly) {
    const int64_t per_year = frequency_ == Frequency::monthly ? 12 : 4;
    const int64_t year = floor_div(period, per_year);
    return print(per_year == 12 ? "%04lld-%02lld" : "%04lld-Q%lld", year + 1970,
                 period - year * per_year + 1);
  }
  const int64_t at = period * step_ + phase_;  // in minutes or in days
  int64_t day = at, minute = 0;
  if (frequency_ == Frequency::business) {
    const int64_t week = floor_div(period, 5);
    day = week * 7 - 3 + (period - week * 5);
  }
  const bool timed = of(frequency_).minutes > 0;
  if (timed) {
    day = floor_div(at, 24 * 60);
    minute = at - day * 24 * 60;
  }
  const year_month_day date{sys_days{std::chrono::days{day}}};
  return print(timed ? "%04lld-%02lld-%02lld %02lld:%02lld" : "%04lld-%02lld-%02lld",
               static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
               static_cast<unsigned>(date.day()), minute / 60, minute % 60);
}

}  // namespace tapestry::airline
