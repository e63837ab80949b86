#pragma once
// Time stamps of a regular series. A stamp is a count of its own unit (months, quarters, days or
// hours since 1970 in the proleptic Gregorian calendar, no time zones); a Calendar turns stamps
// into consecutive period numbers, in which a gap or a duplicate is plain integer arithmetic, and
// numbers back into labels. Only stamps that name the year first, or the month by name, are read:
// 03/04/1950 has no single meaning.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tapestry::airline {

enum class Frequency { none, hourly, daily, weekly, monthly, quarterly };
enum class Unit { hour, day, month, quarter };  // from fine to coarse

struct Stamp {
  Unit unit;
  int64_t count;  // of `unit` since 1970-01-01 00:00
};

/// YYYY-MM, YYYY-MM-DD (also with /), YYYY-MM-DD HH:00, YYYY-Qn, Jan 1949; nothing else.
std::optional<Stamp> parse_stamp(std::string_view text);

/// The frequency most steps between the sorted stamps (all of one unit) agree with.
std::optional<Frequency> infer_frequency(std::span<const Stamp> stamps);

/// none, hourly, daily, weekly, monthly, quarterly.
const char* name(Frequency frequency);
/// hour, day, week, month, quarter; "row" for none.
const char* period_name(Frequency frequency);
/// From auto (nothing), none, H, D, W, M, Q; throws ValueError.
std::optional<Frequency> parse_frequency(std::string_view text);
/// How many periods make a season: 24, 7, 52, 12, 4; 1 for none.
size_t season_length(Frequency frequency);

class Calendar {
 public:
  /// `first` fixes the day of a weekly calendar. Throws ValueError for none, or for stamps too
  /// coarse.
  Calendar(Frequency frequency, Stamp first);

  /// The period that holds the stamp; nothing when a weekly stamp falls on another day.
  std::optional<int64_t> period(Stamp stamp) const;
  /// YYYY-MM, YYYY-Qn, YYYY-MM-DD or YYYY-MM-DD HH:00.
  std::string label(int64_t period) const;

 private:
  Frequency frequency_;
  int64_t weekday_ = 0;  // weekly: the day number of the stamps modulo 7
};

}  // namespace tapestry::airline
