#pragma once
// Times as people write them. A stamp is a count of its own unit (years, quarters, months, days,
// hours or minutes since 1970 in the proleptic Gregorian calendar). Read are, with the separators
// - / . or a blank between the parts of a date:
//   1949   1949-01   1949-01-31   19490131   1949-Q1   Q1 1949   1949-W05   1949-W05-1
//   31.01.1949   01/31/1949   Jan 1949   31 Jan 1949   January 31, 1949   1949-Jan-31
// a day also with a time: 10, 10:00, 10:00:00.000, 10:00 PM, and with a zone: Z, UTC, +01:00.
// 03/04/1949 has two readings, of which the other rows of its column leave one, or neither.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tapestry::airline {

enum class Unit { minute, hour, day, month, quarter, year };  // from fine to coarse

struct Stamp {
  Unit unit;
  int64_t count;     // of `unit` since 1970-01-01 00:00, where the clock showed it
  int64_t zone = 0;  // minutes east of Greenwich
  bool operator==(const Stamp&) const = default;
};

/// What a text may mean, day before month and month before day; equal unless it makes a difference.
struct Readings {
  std::optional<Stamp> day_first, month_first;
};
Readings read_stamp(std::string_view text);

/// The only meaning of `text`; nothing where it has none, or two.
std::optional<Stamp> parse_stamp(std::string_view text);

/// Whether `text` seems meant as a time, though it may not be one that can be read.
bool resembles_time(std::string_view text);
/// What to write instead of a time that is not read: the forms, or that its year has two digits.
std::string time_hint(std::string_view text);

/// Days since 1970-01-01 of the day a stamp is on, which must not be coarser than a day.
int64_t day_of(Stamp stamp);
/// Months since 1970-01 of the month a stamp is, begins or lies in.
int64_t month_of(Stamp stamp);
/// The same time in a finer unit, of minute and hour.
Stamp in_minutes(Stamp stamp);

int64_t floor_div(int64_t a, int64_t b);

}  // namespace tapestry::airline
