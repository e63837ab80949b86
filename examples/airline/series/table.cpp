#include <tapestry/examples/airline/series/table.h>

#include <tapestry/tensor/error.h>

#include <algorithm>

namespace tapestry::airline {
namespace {

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

bool blank(const app::CsvRow& row) {
  return row.empty() || (row.size() == 1 && row[0].text.empty());
}

/// Calls use(line, its number), each with a line end of its own, whatever ended it.
template <class F>
void for_each_line(std::string_view text, F&& use) {
  std::string line;
  for (int64_t number = 1; !text.empty(); ++number) {
    const size_t size = std::min(text.find_first_of("\r\n"), text.size());
    line.assign(text.substr(0, size)) += '\n';
    use(line, number);
    text.remove_prefix(size);
    text.remove_prefix(text.starts_with("\r\n") ? 2 : text.empty() ? 0 : 1);
  }
}

}  // namespace

Place Table::at(const Cell& cell) const {
  return {message_of(file, ":", cell.line, ":", cell.column)};
}

Table parse_csv(std::string_view text, const std::string& file) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    require<FormatError>(byte >= ' ' || byte == '\t' || byte == '\n' || byte == '\r', file,
                         ": binary data (byte ", unsigned{byte}, " at offset ", i,
                         "); expected comma-separated UTF-8 text");
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);

  Table table{file, {}, {}};
  app::CsvReader reader(file, {.separator = separator_of(text), .blank_rows = true});
  for_each_line(text, [&](std::string_view line, int64_t number) {
    reader.read(line, number, [&](app::CsvRow row) {
      if (table.header.empty()) {
        if (!blank(row)) table.header = std::move(row);
        return true;
      }
      if (blank(row) && table.header.size() > 1) return true;
      if (row.empty()) row.push_back({"", number, 1});
      require<FormatError>(row.size() == table.header.size(), table.at(row.front()), row.size(),
                           row.size() == 1 ? " field" : " fields", ", the header has ",
                           table.header.size());
      table.rows.push_back(std::move(row));
      return true;
    });
  });
  reader.finish([](const app::CsvRow&) { return true; });
  while (!table.rows.empty() && blank(table.rows.back())) table.rows.pop_back();

  require<FormatError>(!table.header.empty(), file,
                       ": the file is empty (expected a header line, then one row per time)");
  require<FormatError>(!table.rows.empty(), file, ": a header but no rows");
  return table;
}

}  // namespace tapestry::airline
