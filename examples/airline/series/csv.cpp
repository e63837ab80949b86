#include <tapestry/examples/airline/series/csv.h>

#include <tapestry/tensor/error.h>

#include <algorithm>

namespace tapestry::airline {
namespace {

class Reader {
 public:
  Reader(std::string_view text, const std::string& file, char separator)
      : text_(text), file_(file), separator_(separator) {}

  bool done() const { return at_ == text_.size(); }

  std::vector<Cell> row() {
    std::vector<Cell> cells;
    do cells.push_back(cell());
    while (!done() && text_[at_] == separator_ && (step(), true));
    if (!done()) line_end();
    return cells;
  }

 private:
  Cell cell() {
    Cell cell{{}, line_, at_ - line_start_ + 1};
    if (!done() && text_[at_] == '"') {
      quoted(cell);
      require<FormatError>(done() || ends_cell(text_[at_]), here(), "text after a closing quote");
      return cell;
    }
    while (!done() && !ends_cell(text_[at_])) {
      require<FormatError>(text_[at_] != '"', here(),
                           "quote inside an unquoted field (quote the whole field)");
      cell.text += step();
    }
    const size_t first = cell.text.find_first_not_of(" \t");
    const size_t last = cell.text.find_last_not_of(" \t");
    cell.text = first == std::string::npos ? "" : cell.text.substr(first, last - first + 1);
    if (first != std::string::npos) cell.column += first;
    return cell;
  }

  void quoted(Cell& cell) {
    step();
    for (;;) {
      require<FormatError>(!done(), here(), "quoted field not closed (opened at line ", cell.line,
                           ", column ", cell.column, ")");
      if (text_[at_] == '\n' || text_[at_] == '\r') {
        line_end();
        cell.text += '\n';
      } else if (const char c = step(); c != '"') {
        cell.text += c;
      } else if (!done() && text_[at_] == '"') {
        cell.text += step();
      } else {
        return;
      }
    }
  }

  bool ends_cell(char c) const { return c == separator_ || c == '\n' || c == '\r'; }
  char step() { return text_[at_++]; }

  void line_end() {
    if (step() == '\r' && !done() && text_[at_] == '\n') step();
    ++line_;
    line_start_ = at_;
  }

  std::string here() const {
    return file_ + ':' + std::to_string(line_) + ':' + std::to_string(at_ - line_start_ + 1) + ": ";
  }

  std::string_view text_;
  const std::string& file_;
  char separator_;
  size_t at_ = 0, line_ = 1, line_start_ = 0;
};

/// The comma, semicolon or tab that the first line has most of outside quotes.
char separator_of(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of("\r\n"), text.size()));
  size_t commas = 0, semicolons = 0, tabs = 0;
  bool quoted = false;
  for (const char c : text.substr(0, text.find_first_of("\r\n"))) {
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    commas += c == ',', semicolons += c == ';', tabs += c == '\t';
  }
  if (commas >= std::max(semicolons, tabs)) return ',';
  return semicolons >= tabs ? ';' : '\t';
}

bool blank(const std::vector<Cell>& row) { return row.size() == 1 && row[0].text.empty(); }

}  // namespace

std::string Table::at(const Cell& cell) const {
  return file + ':' + std::to_string(cell.line) + ':' + std::to_string(cell.column) + ": ";
}

std::string csv_field(std::string_view text) {
  const bool blanks = !text.empty() && (text.front() == ' ' || text.back() == ' ');
  if (!blanks && text.find_first_of(",;\t\"\n\r") == std::string_view::npos)
    return std::string(text);
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

Table parse_csv(std::string_view text, const std::string& file) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    require<FormatError>(byte >= ' ' || byte == '\t' || byte == '\n' || byte == '\r', file,
                         ": binary data (byte ", unsigned{byte}, " at offset ", i,
                         "); expected comma-separated UTF-8 text");
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);

  Reader reader(text, file, separator_of(text));
  Table table{file, {}, {}};
  while (!reader.done()) {
    std::vector<Cell> row = reader.row();
    if (table.header.empty()) {
      if (!blank(row)) table.header = std::move(row);
      continue;
    }
    if (blank(row) && table.header.size() > 1) continue;
    require<FormatError>(row.size() == table.header.size(), table.at(row.front()), row.size(),
                         row.size() == 1 ? " field" : " fields", ", the header has ",
                         table.header.size());
    table.rows.push_back(std::move(row));
  }
  while (!table.rows.empty() && blank(table.rows.back())) table.rows.pop_back();

  require<FormatError>(!table.header.empty(), file,
                       ": the file is empty (expected a header line, then one row per time)");
  require<FormatError>(!table.rows.empty(), file, ": a header but no rows");
  return table;
}

}  // namespace tapestry::airline
