#pragma once
// Text as bytes: reading, checking and its Unicode forms (by ICU).
//
// Text is UTF-8 without NUL bytes. A position is FILE:LINE:COLUMN, counted from 1, columns in
// characters (code points). A line ends at LF; the CR of a CRLF is white space and so goes away
// when a line is split. Standard input is the file "-" and is called <stdin> in messages.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace tapestry::lm {

/// What messages call `path`.
std::string input_name(const std::string& path);

/// "FILE:LINE:COLUMN: " for the byte at `offset` of `text`, which begins at `line` of `path`.
std::string position(const std::string& path, std::string_view text, size_t offset,
                     int64_t line = 1);

/// A file, or standard input, open for reading. Throws FileError with the system's reason.
class InputFile {
 public:
  explicit InputFile(const std::string& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  /// The next line with its LF, which the last may lack, but without a byte-order mark at the
  /// begin of the file; empty at the end. Valid until the next call.
  std::string_view line();
  /// The number of that line, from 1.
  int64_t number() const { return number_; }
  const std::string& path() const { return path_; }

 private:
  void check(bool good) const;

  std::string path_;
  std::FILE* file_;
  char* buffer_ = nullptr;
  size_t capacity_ = 0;
  int64_t number_ = 0;
};

/// The contents of `path`, whatever they are, without a byte-order mark. Throws FileError.
std::string read_bytes(const std::string& path);

/// The contents of `path` without a byte-order mark. Throws FileError where it cannot be read,
/// FormatError with the position of the first byte that is NUL or not UTF-8.
std::string read_text(const std::string& path);

/// The code point at `i`, which moves behind it; negative for bytes that are none.
int32_t next_character(std::string_view text, size_t& i);
/// The offset of the first byte that is NUL or starts no valid character; text.size() if none.
size_t first_bad_byte(std::string_view text);
/// Throws FormatError, with the position, where `text`, which begins at `line` of `path`, has one.
void check_text(const std::string& path, std::string_view text, int64_t line = 1);
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
