#pragma once
// Files as lines of bytes. Standard input is the file "-" and is called <stdin> in messages.
//
// A line ends at LF; in a file that has none, at CR. Memory is that of the longest line, or of a
// part of it: a line can be had in parts of about a megabyte, cut before white space.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tapestry::lm {

/// What messages call `path`.
std::string input_name(const std::string& path);

enum class Lines { whole, in_parts };

/// A file, or standard input, open for reading. Throws FileError with the system's reason.
class InputFile {
 public:
  explicit InputFile(const std::string& path, Lines lines = Lines::whole);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  /// The next line, or part of one, with its line end, which the last may lack, but without a
  /// byte-order mark at the begin of the file; empty at the end. Valid until the next call.
  std::string_view line();
  /// The number of that line, from 1, and the column in which the part begins, in characters.
  int64_t number() const { return number_; }
  int64_t column() const { return column_; }
  /// Whether it begins, and ends, a line.
  bool begins() const { return begins_; }
  bool ends() const { return ends_; }
  /// Whether lines end with CR alone.
  bool carriage_returns() const { return line_end_ == '\r'; }
  const std::string& path() const { return path_; }

 private:
  void check(bool good) const;
  /// Reads more bytes behind those at hand, or sees the end of the file.
  void fill();
  /// How many bytes the next line, or part of one, has.
  size_t find_end();

  std::string path_;
  Lines lines_;
  int file_;
  std::vector<char> buffer_;
  size_t begin_ = 0, end_ = 0, given_ = 0;  // bytes at hand, and how many of them line() returned
  char line_end_ = '\n';
  bool at_end_ = false, begins_ = true, ends_ = true;
  int64_t number_ = 0, column_ = 1;
};

/// The contents of `path`, whatever they are, without a byte-order mark. Throws FileError.
std::string read_bytes(const std::string& path);

}  // namespace tapestry::lm
