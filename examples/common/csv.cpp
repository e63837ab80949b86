#include <csv.h>
#include <tapestry/examples/common/csv.h>

#include <tapestry/tensor/error.h>

#include <new>
#include <utility>

namespace tapestry::app {

CsvReader::CsvReader(std::string name, CsvFormat format)
    : name_(std::move(name)), format_(std::move(format)), parser_(std::make_unique<csv_parser>()) {
  const int blank_rows = format_.blank_rows ? CSV_REPALL_NL : 0;
  const auto options = static_cast<unsigned char>(CSV_STRICT | CSV_STRICT_FINI | blank_rows);
  if (csv_init(parser_.get(), options) != 0) throw std::bad_alloc();
  csv_set_delim(parser_.get(), static_cast<unsigned char>(format_.separator));
  csv_set_quote(parser_.get(), static_cast<unsigned char>(format_.quote));
  csv_set_blk_size(parser_.get(), std::size_t{1} << 12);
}

CsvReader::~CsvReader() { csv_free(parser_.get()); }

bool CsvReader::read(std::string_view line, std::int64_t number, const UseRow& use) {
  std::int64_t column = 1;
  if (untouched_ && row_.empty()) field_.line = number, field_.column = 1;
  for (const char c : line) {
    if (untouched_ && c != ' ' && c != '\r' && c != '\n') {
      untouched_ = false;
      field_.line = number, field_.column = column + (format_.quote != '\0' && c == format_.quote);
    }
    if (csv_parse(parser_.get(), &c, 1, on_field, on_row, this) != 1) {
      if (csv_error(parser_.get()) != CSV_EPARSE) throw std::bad_alloc();
      refuse(number, column,
             c == format_.quote ? "a quote inside a field that is not quoted"
                                : "the field goes on after its closing quote",
             "quote the whole field and double the quotes inside");
    }
    if ((c & 0xC0) != 0x80) ++column;  // of a character of several bytes, the first
    if (untouched_ && !row_.empty()) field_.line = number, field_.column = column;
    if (!use_row(use)) return false;
  }
  return true;
}

void CsvReader::finish(const UseRow& use) {
  if (csv_fini(parser_.get(), on_field, on_row, this) != 0) {
    if (csv_error(parser_.get()) == CSV_ENOMEM) throw std::bad_alloc();
    refuse(field_.line, field_.column - 1, "the quoted field that opens here is not closed",
           "close the quote");
  }
  use_row(use);
}

void CsvReader::on_field(void* text, std::size_t size, void* self) {
  auto& reader = *static_cast<CsvReader*>(self);
  reader.field_.text.assign(static_cast<const char*>(text), text ? size : 0);
  reader.row_.push_back(reader.field_);
  reader.untouched_ = true;
}

void CsvReader::on_row(int, void* self) { static_cast<CsvReader*>(self)->row_ended_ = true; }

bool CsvReader::use_row(const UseRow& use) {
  if (!std::exchange(row_ended_, false)) return true;
  return use(std::exchange(row_, {}));
}

void CsvReader::refuse(std::int64_t line, std::int64_t column, const char* problem,
                       const char* advice) const {
  fail<FormatError>(Place{message_of(name_, ":", line, ":", column)}, problem, " (", advice,
                    format_.hint, ")");
}

std::string csv_field(std::string_view text) {
  const bool blanks = !text.empty() && (text.front() == ' ' || text.back() == ' ');
  if (!blanks && text.find_first_of(",;\t\"\n\r") == std::string_view::npos)
    return std::string(text);
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

}  // namespace tapestry::app
