#pragma once
// A series of numbers at regular times, read from a CSV file with a header or built in: the monthly
// totals of international airline passengers, in thousands, 1949-01 to 1960-12 (Box and Jenkins,
// "Time Series Analysis", 1976, series G).
//
// After reading, values are finite, sorted by time, one per period and not all equal. Whatever was
// assumed or repaired on the way is a line of `notes`; nothing is filled in unless `missing` asks.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tapestry/examples/airline/series/calendar.h>
#include <tapestry/examples/airline/series/numbers.h>
#include <tapestry/examples/airline/series/table.h>

namespace tapestry::airline {

/// What to do with an empty cell or a period without a row: refuse, draw a straight line between
/// the neighbours, or close the gap (the season then shifts; meant for days without trade).
enum class Missing { error, interpolate, drop };

/// What comes first in dates such as 03/04/1949.
enum class DateOrder { day_first, month_first };

struct Series {
  std::string file, name;  // where the values come from, their column
  Frequency frequency = Frequency::none;
  size_t season = 1;              // values in a season; 1: there is none
  std::vector<std::string> time;  // one label per value
  std::vector<double> values;
  std::vector<std::string> notes;

  // How the labels go on: by the calendar from period `last`, else in plain numbers by `step`
  // from `last`, else (step 0) not at all.
  std::optional<Calendar> calendar;
  int64_t last = 0, step = 0;

  size_t size() const { return values.size(); }
  /// Labels of the next n periods; "+1", "+2" where the times follow no rule.
  std::vector<std::string> future(size_t n) const;
};

struct ReadOptions {
  std::string time_column = {}, value_column = {};  // empty: first date-like, first numeric
  std::optional<Frequency> frequency = {};          // empty: inferred
  Missing missing = Missing::error;
  std::optional<Decimal> decimal = {};       // empty: as the numbers show
  std::optional<DateOrder> date_order = {};  // empty: as the dates show
  size_t season = 0;                         // values in a season; 0: as the frequency has
  bool positive = false;                     // whether every value must have a logarithm
};

/// From a file, "-" being standard input. Throws FileError, or FormatError "FILE:LINE:COL: ...".
Series read_series(const std::string& path, const ReadOptions& options = {});
/// The same from text; `file` names it in messages.
Series parse_series(std::string_view text, const std::string& file,
                    const ReadOptions& options = {});
/// The same from a table.
Series series_of(const Table& table, const ReadOptions& options = {});
/// All of a file, "-" being standard input. Throws FileError.
std::string read_text(const std::string& path);
/// The built-in series.
Series airline_passengers();
/// The file it is made of.
extern const char* const builtin_csv;

/// Throws FormatError unless there are `minimum` values; `reason` says what needs them.
void require_length(const Series& series, size_t minimum, std::string_view reason);

}  // namespace tapestry::airline
