#pragma once
// The table of a file: comma-separated text (RFC 4180), or text separated by semicolons or tabs,
// when the header is. Line ends are LF, CRLF or CR; a byte-order mark is skipped. Every cell knows
// where it began, so that whoever interprets it can point at it. Every row has as many cells as the
// header. Blank lines are skipped, except in a file of one column, where a blank line inside the
// data is an empty cell.

#include <tapestry/examples/common/csv.h>

#include <string>
#include <string_view>
#include <vector>

#include <tapestry/tensor/error.h>

namespace tapestry::airline {

using Cell = app::CsvField;

struct Table {
  std::string file;  // for messages
  std::vector<Cell> header;
  std::vector<std::vector<Cell>> rows;

  /// For a message about a cell.
  Place at(const Cell& cell) const;
};

/// Throws FormatError "FILE:LINE:COLUMN: ..." for binary, empty or malformed text.
Table parse_csv(std::string_view text, const std::string& file);

}  // namespace tapestry::airline
