#pragma once
// Text: checking and its Unicode forms (by ICU).
//
// Text is UTF-8 without NUL bytes. A position is FILE:LINE:COLUMN, counted from 1, columns in
// characters (code points). The CR of a CRLF is white space and so goes away when a line is split.

#include <tapestry/examples/lm/text/input_file.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tapestry::lm {

/// Of the byte at `offset` of `text`, which begins at `line` and `column` of `path`.
Place position(const std::string& path, std::string_view text, size_t offset, int64_t line = 1,
               int64_t column = 1);

/// The contents of `path` without a byte-order mark. Throws FileError where it cannot be read,
/// FormatError with the position of the first byte that is NUL or not UTF-8.
std::string read_text(const std::string& path);

/// The code point at `i`, which moves behind it; negative for bytes that are none.
int32_t next_character(std::string_view text, size_t& i);
/// The offset of the first byte that is NUL or starts no valid character; text.size() if none.
size_t first_bad_byte(std::string_view text);
/// Throws FormatError, with the position, where `text`, which begins at `line` and `column` of
/// `path`, has one.
void check_text(const std::string& path, std::string_view text, int64_t line = 1,
                int64_t column = 1);
/// Throws FormatError where `text`, the begin of `path`, is UTF-16 or UTF-32.
void refuse_wide(const std::string& path, std::string_view text);
/// `text` with every such byte replaced.
std::string repair(std::string_view text, std::string_view replacement);

/// The next line of `text` without its LF; `text` becomes what follows.
std::string_view take_line(std::string_view& text);

/// Replaces `tokens` by the parts of `line` between white space: Unicode's White_Space without the
/// three no-break spaces (U+00A0, U+2007, U+202F), which join what they stand between.
void split_at_spaces(std::string_view line, std::vector<std::string_view>& tokens);

/// Lower case, by the rules of no particular language.
std::string lower(std::string_view text);
/// Unicode's normal form C.
std::string nfc(std::string_view text);

}  // namespace tapestry::lm
