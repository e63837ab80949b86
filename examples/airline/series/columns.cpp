#include <tapestry/examples/airline/series/columns.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include <tapestry/examples/airline/series/numbers.h>
#include <tapestry/examples/airline/series/stamp.h>
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

// The whole numbers of a column that only rise, or only fall; empty for any other.
std::vector<int64_t> counters(const Table& table, size_t column) {
  constexpr int64_t limit = int64_t{1} << 53;
  std::vector<int64_t> out;
  for (const auto& row : table.rows) {
    const auto number = parse_number<int64_t>(row[column].text);
    if (!number || *number > limit || *number < -limit) return {};
    const size_t n = out.size();
    if (n > 0 && *number == out[n - 1]) return {};
    if (n > 1 && (*number > out[n - 1]) != (out[1] > out[0])) return {};
    out.push_back(*number);
  }
  return out;
}

// Whether whole numbers are years, most of them one apart.
bool are_years(const std::vector<int64_t>& numbers) {
  size_t ones = 0;
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] < 1600 || numbers[i] >= 2400) return false;
    ones += i > 0 && std::abs(numbers[i] - numbers[i - 1]) == 1;
  }
  return numbers.size() > 1 && 2 * ones >= numbers.size() - 1;
}

// Whether a column that starts with "19490131" has dates in all rows.
bool are_dates(const Table& table, size_t column) {
  const auto& rows = table.rows;
  return std::all_of(rows.begin(), rows.end(), [&](const auto& row) {
    const auto stamp = parse_stamp(row[column].text);
    return means_missing(row[column].text) || (stamp && stamp->unit == Unit::day);
  });
}

bool reads_as_time(const Table& table, size_t column) {
  const Cell* cell = first_filled(table, column);
  if (!cell) return false;
  const Readings r = read_stamp(cell->text);
  const auto& stamp = r.day_first ? r.day_first : r.month_first;
  if (!stamp || stamp->unit == Unit::year) return false;  // 1949 may be any number
  return !parse_number<int64_t>(cell->text) || are_dates(table, column);
}

// Whether a column that does not read as times was meant as them.
bool meant_as_time(const Table& table, size_t column) {
  static constexpr std::array<std::string_view, 11> names = {
      "date", "time",  "datetime", "timestamp", "ds",    "day",
      "week", "month", "quarter",  "year",      "period"};
  const Cell* cell = first_filled(table, column);
  if (!cell || resembles_number(cell->text)) return false;
  std::string name = table.header[column].text;
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return resembles_time(cell->text) || std::find(names.begin(), names.end(), name) != names.end();
}

std::optional<size_t> choose_time(const Table& table, const std::string& name,
                                  const std::string& value_name, bool undated) {
  if (!name.empty()) return column_named(table, name);
  const size_t columns = table.header.size();
  const auto free = [&](size_t i) { return table.header[i].text != value_name; };
  for (size_t i = 0; i < columns; ++i)
    if (free(i) && reads_as_time(table, i)) return i;
  if (columns > 1 && free(0) && !counters(table, 0).empty()) return size_t{0};
  for (size_t i = 0; i < columns; ++i) {
    if (!free(i) || !meant_as_time(table, i)) continue;
    if (undated) return i;
    const Cell& cell = *first_filled(table, i);
    fail<FormatError>(table.at(cell), '"', cell.text, "\" in column \"", table.header[i].text,
                      "\" is not a time that is read: ", time_hint(cell.text),
                      " (--freq none takes the rows as equally spaced)");
  }
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
    if (const Cell* cell = first_filled(table, i); cell && resembles_number(cell->text)) return i;
  if (others.size() == 1) return others[0];  // then the message is about its first cell
  fail<FormatError>(table.at(table.header[0]), "no numeric column; the columns are ",
                    quoted_names(table));
}

}  // namespace

Columns choose_columns(const Table& table, const std::string& time, const std::string& value,
                       bool undated) {
  Columns columns{choose_time(table, time, value, undated), true, 0};
  columns.value = choose_value(table, value, columns.time);
  if (columns.time) {
    const std::vector<int64_t> numbers = counters(table, *columns.time);
    const bool dates = are_years(numbers) || are_dates(table, *columns.time);
    columns.index = !numbers.empty() && (undated || !dates);
  }
  for (const size_t i : {columns.time.value_or(columns.value), columns.value}) {
    const Cell& head = table.header[i];
    require<FormatError>(!resembles_number(head.text) && !parse_stamp(head.text), table.at(head),
                         "the first line holds data (\"", head.text,
                         "\"); expected a header that names the columns");
  }
  return columns;
}

}  // namespace tapestry::airline
