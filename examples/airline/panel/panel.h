#pragma once
// A panel: many series of one kind, read from one file. Long: a row for each value, with a column
// that names its series. Wide, as in the M4 competition: a row for each series, its name and then
// its values, no dates; rows may differ in length, and a first row that names columns is skipped.
// Every series is as read_series() leaves one. One that is not fit is refused with its name and the
// line, or left out and kept as a note.

#include <tapestry/examples/airline/series/series.h>
#include <tapestry/examples/airline/series/table.h>

namespace tapestry::airline {

struct PanelOptions {
  std::string id_column = {};  // of the long form; empty: the wide one
  ReadOptions read = {};
  size_t least = 3;       // values that each series needs
  bool positive = true;   // whether all values must have a logarithm
  bool skip_bad = false;  // leave out what is not fit
};

struct Panel {
  std::string file;
  std::vector<std::string> ids;
  std::vector<Series> series;         // one per id, all of one frequency and season
  std::vector<std::string> left_out;  // why, one line for each

  size_t values() const;
  Frequency frequency() const { return series.front().frequency; }
  size_t season() const { return series.front().season; }
};

/// The rows of each series of a long table, in the order in which these first appear; the names'
/// column is gone. Throws FormatError without that column, or for a row that names no series.
std::vector<std::pair<std::string, Table>> by_series(Table table, const std::string& id_column);

/// The fields of each line that has any; quotes may stand around them.
std::vector<std::vector<std::string>> wide_fields(std::string_view text);

/// From a file, "-" being standard input. Throws FileError, or FormatError "FILE:LINE:COL: ...".
Panel read_panel(const std::string& path, const PanelOptions& options);
/// The same from text; `file` names it in messages.
Panel parse_panel(std::string_view text, const std::string& file, const PanelOptions& options);

}  // namespace tapestry::airline
