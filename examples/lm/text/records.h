#pragma once
// The texts of a file: the lines of a text file, or one column of a CSV or TSV file (RFC 4180: a
// quoted field may hold separators, line ends and, doubled, quotes).

#include <tapestry/examples/lm/text/text_settings.h>

#include <functional>
#include <string>
#include <string_view>

namespace tapestry::lm {

struct Record {
  std::string_view text;  // UTF-8; the line end is left out
  std::string_view path;
  int64_t line = 1, column = 1;     // where the text begins
  bool good = true;                 // false: bytes that are not UTF-8, where they are not an error
  bool begins = true, ends = true;  // the line; one of more than a megabyte comes in parts

  /// "FILE:LINE:COLUMN: " for the byte at `offset`. In a quoted field each doubled quote before
  /// that byte makes the column one too small.
  Place position(size_t offset) const;
};

enum class BadRecord { as_set, mark };  // as TextSettings::on_bad_utf8 says, or Record::good

/// Calls `use` for each text of the file ("-" is standard input) until it returns false. Returns a
/// line for the user about how the file was read, empty where that is as anybody would expect.
/// Throws FileError, and FormatError (FILE:LINE:COLUMN) for bytes that are not UTF-8, a quoted
/// field that is not closed or goes on after its quote, and a column that is not there.
std::string read_records(const std::string& path, const TextSettings& settings,
                         const std::function<bool(const Record&)>& use,
                         BadRecord bad = BadRecord::as_set);

}  // namespace tapestry::lm
