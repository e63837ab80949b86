#pragma once
// Separated values (RFC 4180), one reader and one writer for all files of tables. Quoted fields may
// hold separators, line ends and doubled quotes; blanks around fields do not count.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct csv_parser;  // of libcsv

namespace tapestry::app {

struct CsvField {
  std::string text;           ///< without quotes
  std::int64_t line, column;  ///< of its first character, from 1
};
using CsvRow = std::vector<CsvField>;

struct CsvFormat {
  char separator = ',';
  char quote = '"';         ///< '\0': quotes are text
  bool blank_rows = false;  ///< a line without any field is a row of none
  std::string hint{};       ///< the end of what is advised where a quote is wrong
};

/// Reads a table line by line, with libcsv, and knows where every field began.
class CsvReader {
 public:
  /// What is done with a row; false ends the reading.
  using UseRow = std::function<bool(CsvRow row)>;

  /// `name` of the file begins every message.
  CsvReader(std::string name, CsvFormat format);
  ~CsvReader();
  CsvReader(const CsvReader&) = delete;
  CsvReader& operator=(const CsvReader&) = delete;

  /// Reads line `number` with its line end; false where `use` returned false. Throws FormatError
  /// "NAME:LINE:COLUMN: ..." for a quote that is misplaced.
  bool read(std::string_view line, std::int64_t number, const UseRow& use);
  /// The same at the end of the file, whose last line may lack its end.
  void finish(const UseRow& use);

 private:
  static void on_field(void* text, std::size_t size, void* self);
  static void on_row(int, void* self);
  bool use_row(const UseRow& use);
  [[noreturn]] void refuse(std::int64_t line, std::int64_t column, const char* problem,
                           const char* advice) const;

  std::string name_;
  CsvFormat format_;
  std::unique_ptr<csv_parser> parser_;
  CsvField field_{{}, 1, 1};  // that is being read
  CsvRow row_;
  bool row_ended_ = false, untouched_ = true;  // no byte of the field was seen yet
};

/// A text as a field: in quotes where it needs them.
std::string csv_field(std::string_view text);

}  // namespace tapestry::app
