#pragma once
// The rows of a table as times and numbers, in the order of time.

#include <limits>

#include <tapestry/examples/airline/series/calendar.h>
#include <tapestry/examples/airline/series/columns.h>
#include <tapestry/examples/airline/series/series.h>

namespace tapestry::airline {

/// The value of an empty cell.
inline constexpr double absent = std::numeric_limits<double>::quiet_NaN();

/// A time, a value (absent where the cell is empty), and where they stood.
struct InputRow {
  const Cell *time, *value;  // time is null without a time column
  double number;
  int64_t period;  // of the series' calendar, if it has one
};

/// Decides what a comma means, and reads the numbers. Throws FormatError.
std::vector<InputRow> read_rows(const Table& table, const Columns& columns,
                                const ReadOptions& options);

/// Reads the stamps, settles frequency and calendar of the series, numbers and sorts the rows.
/// Throws FormatError for what is no time, has two meanings, or does not fit the frequency.
void number_rows(const Table& table, const ReadOptions& options, std::vector<InputRow>& rows,
                 Series& series);

/// Rows whose times are plain numbers or labels: these go on by their step, which must be the same
/// in every row; rows that run backwards are turned round.
void number_undated(const Table& table, const Columns& columns, const ReadOptions& options,
                    std::vector<InputRow>& rows, Series& series);

/// Throws FormatError that lists the periods given more than once.
void refuse_duplicates(const Table& table, const std::vector<InputRow>& rows, const Series& series);

}  // namespace tapestry::airline
