#include <tapestry/examples/airline/series/columns.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include <tapestry/examples/airline/series/calendar.h>
#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

std::string quoted_names(const Table& table) {
  std::string names;
  for (const Cell& cell : table.header) names += (names.empty() ? "\"" : ", \"") + cell.text + '"';
  return names;
}

// The first cell of a column that is not empty; null if there is none.
const Cell* first_filled(const Table& table, size_t column) {
  for (const auto& row : table.rows)
    if (!means_missing(row[column].text)) return &row[column];
  return nullptr;
}

size_t column_named(const Table& table, const std::string& name) {
  const auto is_it = [&](const Cell& cell) { return cell.text == name; };
  const auto found = std::find_if(table.header.begin(), table.header.end(), is_it);
  require<FormatError>(found != table.header.end(), table.at(table.header[0]), "no column \"", name,
                       "\"; the columns are ", quoted_names(table));
  return static_cast<size_t>(found - table.header.begin());
}

// Whole numbers that only rise: a plain index, or years.
bool counts_up(const Table& table, size_t column) {
  constexpr int64_t limit = int64_t{1} << 53;
  std::optional<int64_t> last;
  for (const auto& row : table.rows) {
    const auto number = parse_number<int64_t>(row[column].text);
    if (!number || *number > limit || *number < -limit || (last && *number <= *last)) return false;
    last = number;
  }
  return true;
}

std::optional<size_t> choose_time(const Table& table, const std::string& name,
                                  const std::string& value_name) {
  if (!name.empty()) return column_named(table, name);
  const size_t columns = table.header.size();
  const auto free = [&](size_t i) { return table.header[i].text != value_name; };
  for (size_t i = 0; i < columns; ++i)
    if (const Cell* cell = first_filled(table, i); free(i) && cell && parse_stamp(cell->text))
      return i;
  if (columns > 1 && free(0) && counts_up(table, 0)) return size_t{0};
  return std::nullopt;
}

size_t choose_value(const Table& table, const std::string& name, std::optional<size_t> time) {
  if (!name.empty()) {
    const size_t column = column_named(table, name);
    require<FormatError>(column != time, table.at(table.header[column]), "\"", name,
                         "\" cannot be both the time and the value");
    return column;
  }
  std::vector<size_t> others;
  for (size_t i = 0; i < table.header.size(); ++i)
    if (i != time) others.push_back(i);
  for (const size_t i : others)
    if (const Cell* cell = first_filled(table, i); cell && parse_number<double>(cell->text))
      return i;
  if (others.size() == 1) return others[0];  // then the message is about its first cell
  fail<FormatError>(table.at(table.header[0]), "no numeric column; the columns are ",
                    quoted_names(table));
}

}  // namespace

bool means_missing(std::string_view text) {
  return text.empty() || text == "NA" || text == "NaN" || text == "nan" || text == "null";
}

Columns choose_columns(const Table& table, const std::string& time, const std::string& value) {
  Columns columns{choose_time(table, time, value), false, 0};
  columns.value = choose_value(table, value, columns.time);
  columns.index = !columns.time || counts_up(table, *columns.time);
  for (const size_t i : {columns.time.value_or(columns.value), columns.value}) {
    const Cell& head = table.header[i];
    require<FormatError>(!parse_number<double>(head.text) && !parse_stamp(head.text),
                         table.at(head), "the first line holds data (\"", head.text,
                         "\"); expected a header that names the columns");
  }
  return columns;
}

}  // namespace tapestry::airline
