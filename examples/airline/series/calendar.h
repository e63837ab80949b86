#pragma once
// How often a series has a value. A Calendar turns the stamps of a regular series into consecutive
// period numbers, in which a gap or a duplicate is plain integer arithmetic, and numbers back into
// labels.

#include <tapestry/examples/airline/series/stamp.h>

#include <span>
#include <utility>
#include <vector>

namespace tapestry::airline {

enum class Frequency {
  none,
  minute,
  five_minutes,
  ten_minutes,
  quarter_hour,
  half_hour,
  hourly,
  daily,
  business,  // Monday to Friday
  weekly,
  monthly,
  quarterly,
  yearly
};

/// The frequency most steps between the sorted stamps (all of one unit) agree with.
std::optional<Frequency> infer_frequency(std::span<const Stamp> stamps);

/// none, 10-minute, hourly, daily, business-daily, weekly, monthly, quarterly, yearly.
const char* name(Frequency frequency);
/// hour, day, week, month, quarter, year; "row" for none.
const char* period_name(Frequency frequency);
/// As an option is given: none, 10min, H, D, B, W, M, Q, Y.
const char* option_name(Frequency frequency);
/// All of them.
std::span<const Frequency> frequencies();
/// How many periods make a season unless told otherwise: 24 hours, 7 days, 5 business days, 52
/// weeks, 12 months, 4 quarters, a day of minutes; 1, which is none, for years and rows.
size_t season_length(Frequency frequency);

class Calendar {
 public:
  /// `first` fixes the day of a weekly calendar, the minute of one of minutes. Throws ValueError
  /// for none, or for stamps too coarse.
  Calendar(Frequency frequency, Stamp first);

  /// The period that holds the stamp; nothing where it lies between two: a weekly stamp on another
  /// day, a Saturday of a business calendar.
  std::optional<int64_t> period(Stamp stamp) const;
  /// YYYY, YYYY-Qn, YYYY-MM, YYYY-MM-DD or YYYY-MM-DD HH:MM.
  std::string label(int64_t period) const;

 private:
  Frequency frequency_;
  int64_t step_ = 1, phase_ = 0;  // days of weeks, minutes of frequencies below the hour
};

}  // namespace tapestry::airline
