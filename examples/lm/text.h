#pragma once
// Text as bytes: reading, checking, lower-casing and splitting at white space.
//
// Text is UTF-8 without NUL bytes. A position is FILE:LINE:COLUMN, counted from 1, columns in
// characters (code points). A line ends at LF; the CR of a CRLF is white space and so goes away
// when a line is split. Standard input is the file "-" and is called <stdin> in messages.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tapestry::lm {

/// What messages call `path`.
std::string input_name(const std::string& path);

/// "FILE:LINE:COLUMN: " for the byte at `offset` of `text`, which was read from `path`.
std::string position(const std::string& path, std::string_view text, size_t offset);

/// The contents of `path` without a byte-order mark. Throws FileError where it cannot be read,
/// FormatError with the position of the first byte that is NUL or not UTF-8.
std::string read_text(const std::string& path);

/// The offset of the first byte that is NUL or starts no valid character; text.size() if none.
size_t first_bad_byte(std::string_view text);

/// The next line of `text` without its LF; `text` becomes what follows.
std::string_view take_line(std::string_view& text);

/// Replaces `tokens` by the parts of `line` between white space: Unicode's White_Space without the
/// three no-break spaces (U+00A0, U+2007, U+202F), which join what they stand between.
void split_at_spaces(std::string_view line, std::vector<std::string_view>& tokens);

/// Unicode's simple lower-casing of the Latin (ASCII, Latin-1, Extended-A), modern Greek
/// and Cyrillic letters; other characters stay as they are.
std::string lower(std::string_view text);

}  // namespace tapestry::lm
