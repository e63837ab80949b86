#pragma once
// A strict reader of comma-separated text (RFC 4180), or of text separated by semicolons or tabs,
// when the header is: quoted fields may hold commas, line ends and doubled quotes; line ends are
// LF, CRLF or CR; a byte-order mark is skipped. Every cell knows where it began, so that whoever
// interprets it can point at it. Every row has as many cells as the header. Blank lines are
// skipped, except in a file of one column, where a blank line inside the data is an empty cell.

#include <string>
#include <string_view>
#include <vector>

namespace tapestry::airline {

struct Cell {
  std::string text;     // unquoted, without blanks around it
  size_t line, column;  // of its first byte, from 1
};

struct Table {
  std::string file;  // for messages
  std::vector<Cell> header;
  std::vector<std::vector<Cell>> rows;

  /// "FILE:LINE:COLUMN: ", how a message about a cell starts.
  std::string at(const Cell& cell) const;
};

/// A text as a cell: in quotes where it needs them.
std::string csv_field(std::string_view text);

/// Throws FormatError "FILE:LINE:COLUMN: ..." for binary, empty or malformed text.
Table parse_csv(std::string_view text, const std::string& file);

}  // namespace tapestry::airline
