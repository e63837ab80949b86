#pragma once
// Which columns of a table hold the times and the values: those named, or else the first column
// whose first filled cell reads as a time (failing that, a first column of whole numbers that only
// rise or only fall), and the first other column whose first filled cell reads as a number. A
// column that seems to hold times of a kind that is not read is refused rather than passed over.

#include <optional>
#include <string>

#include <tapestry/examples/airline/series/table.h>

namespace tapestry::airline {

struct Columns {
  std::optional<size_t> time;
  bool index;  // there are no dates: the times are row numbers or the whole numbers of `time`
  size_t value;
};

/// Empty names mean: choose. `undated`: times may be anything, rows are equally spaced. Throws
/// FormatError listing the columns there are.
Columns choose_columns(const Table& table, const std::string& time, const std::string& value,
                       bool undated);

}  // namespace tapestry::airline
