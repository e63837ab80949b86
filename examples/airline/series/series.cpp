#include <tapestry/examples/airline/series/series.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <limits>
#include <utility>

#include <tapestry/examples/airline/series/columns.h>
#include <tapestry/examples/airline/series/csv.h>
#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

constexpr double absent = std::numeric_limits<double>::quiet_NaN();

// One row of the file: a time, a value (NaN where the cell is empty), and where they stood.
struct Row {
  const Cell *time, *value;  // time is null without a time column
  double number;
  int64_t period;
};

// "a, b, c and 7 more"
std::string shorten(const std::vector<std::string>& items, size_t total) {
  std::string text;
  const size_t shown = std::min<size_t>(items.size(), 10);
  for (size_t i = 0; i < shown; ++i) text += (i ? ", " : "") + items[i];
  return total > shown ? text + " and " + std::to_string(total - shown) + " more" : text;
}

std::string counted(size_t n, std::string_view noun) {
  return std::to_string(n) + ' ' + std::string(noun) + (n == 1 ? "" : "s");
}

std::vector<Row> read_rows(const Table& table, std::optional<size_t> time, size_t value) {
  std::vector<Row> rows;
  for (const auto& cells : table.rows) {
    const Cell& cell = cells[value];
    const auto number = parse_number<double>(cell.text);
    if (!number && !means_missing(cell.text))
      fail<FormatError>(table.at(cell), '"', cell.text, "\" in column \"", table.header[value].text,
                        "\" is not a number",
                        cell.text.find(',') == std::string::npos
                            ? ""
                            : " (write 1234.5: no separator of thousands, a decimal point)");
    rows.push_back({time ? &cells[*time] : nullptr, &cell, number.value_or(absent), 0});
  }
  return rows;
}

// Reads the stamps, settles the frequency, numbers and sorts the rows.
void number_rows(const Table& table, const ReadOptions& options, std::vector<Row>& rows,
                 Series& series) {
  std::vector<Stamp> stamps;
  for (const Row& row : rows) {
    const auto stamp = parse_stamp(row.time->text);
    require<FormatError>(stamp.has_value(), table.at(*row.time), '"', row.time->text,
                         "\" is not a time (expected 1949-01, 1949-01-31, 1949-01-31 10:00, "
                         "1949-Q1 or Jan 1949)");
    require<FormatError>(stamps.empty() || stamp->unit == stamps[0].unit, table.at(*row.time), '"',
                         row.time->text, "\" is not written like the first time, \"",
                         rows[0].time->text, '"');
    stamps.push_back(*stamp);
  }

  if (options.frequency) {
    series.frequency = *options.frequency;
  } else {
    std::vector<Stamp> sorted = stamps;
    std::sort(sorted.begin(), sorted.end(),
              [](const Stamp& a, const Stamp& b) { return a.count < b.count; });
    const auto inferred = infer_frequency(sorted);
    require<FormatError>(inferred.has_value(), table.at(*rows[0].time),
                         "the times are not hourly, daily, weekly, monthly or quarterly "
                         "(--freq none takes the rows as equally spaced)");
    series.frequency = *inferred;
    series.notes.push_back(std::string("frequency: ") + name(*inferred) + ", inferred");
  }

  try {
    series.calendar.emplace(series.frequency, stamps[0]);
  } catch (const ValueError& error) {
    fail<FormatError>(table.at(*rows[0].time), error.what());
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto period = series.calendar->period(stamps[i]);
    require<FormatError>(period.has_value(), table.at(*rows[i].time), rows[i].time->text,
                         " is not a whole number of weeks after ", rows[0].time->text);
    rows[i].period = *period;
  }
  const auto earlier = [](const Row& a, const Row& b) { return a.period < b.period; };
  if (!std::is_sorted(rows.begin(), rows.end(), earlier)) {
    std::stable_sort(rows.begin(), rows.end(), earlier);
    series.notes.push_back("the rows were sorted by time");
  }
}

// A plain index: its labels go on by its step, which must be the same in every row.
void number_index(const Table& table, const ReadOptions& options, const std::vector<Row>& rows,
                  Series& series) {
  series.last = static_cast<int64_t>(rows.size());
  series.step = 1;
  if (!rows[0].time || rows.size() < 2) return;
  const auto number = [&](size_t i) { return *parse_number<int64_t>(rows[i].time->text); };
  series.last = number(rows.size() - 1);
  series.step = number(1) - number(0);
  for (size_t i = 2; i < rows.size() && series.step != 0; ++i) {
    if (number(i) - number(i - 1) == series.step) continue;
    require<FormatError>(options.frequency.has_value(), table.at(*rows[i].time), "the step from ",
                         number(i - 1), " to ", number(i), " is not ", series.step,
                         " as before (--freq none takes the rows as equally spaced)");
    series.step = 0;
  }
}

void refuse_duplicates(const Table& table, const std::vector<Row>& rows, const Series& series) {
  std::vector<std::string> labels;
  const Row *first = nullptr, *second = nullptr;
  for (size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].period != rows[i - 1].period) continue;
    if (!first) first = &rows[i - 1], second = &rows[i];
    std::string label = series.calendar->label(rows[i].period);
    if (labels.empty() || labels.back() != label) labels.push_back(std::move(label));
  }
  if (first)
    fail<FormatError>(table.at(*second->time),
                      counted(labels.size(), period_name(series.frequency)),
                      " given more than once: ", shorten(labels, labels.size()), " (first at line ",
                      first->time->line, "; keep one row of each)");
}

// Fills series.time and .values with every period from first to last, absent where nothing is.
void lay_out(const Table& table, const ReadOptions& options, const std::vector<Row>& rows,
             Series& series) {
  std::vector<std::string> gaps, empty;
  size_t gap_total = 0;
  const Row *after_gap = nullptr, *first_empty = nullptr;
  const auto add = [&](std::string label, double value) {
    series.time.push_back(std::move(label));
    series.values.push_back(value);
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    if (series.calendar && i > 0 && row.period - rows[i - 1].period > 1) {
      if (!after_gap) after_gap = &row;
      gap_total += static_cast<size_t>(row.period - rows[i - 1].period - 1);
      const bool fill = options.missing == Missing::interpolate;
      require<FormatError>(!fill || gap_total <= rows.size(), table.at(*row.time),
                           "more periods are missing before ", row.time->text,
                           " than there are rows (is this time right?)");
      for (int64_t p = rows[i - 1].period + 1; p < row.period && (fill || gaps.size() < 10); ++p) {
        gaps.push_back(series.calendar->label(p));
        if (fill) add(gaps.back(), absent);
      }
    }
    std::string label = series.calendar ? series.calendar->label(row.period)
                        : row.time      ? row.time->text
                                        : std::to_string(i + 1);
    if (std::isnan(row.number)) {
      if (!first_empty) first_empty = &row;
      empty.push_back(label);
    }
    add(std::move(label), row.number);
  }

  const char* remedy = "; fill them in, or use --missing interpolate or drop";
  const char* period = period_name(series.frequency);
  if (options.missing == Missing::error) {
    if (first_empty)
      fail<FormatError>(table.at(*first_empty->value), "no value for ",
                        counted(empty.size(), period), ": ", shorten(empty, empty.size()), remedy);
    if (after_gap)
      fail<FormatError>(table.at(*after_gap->time), "no row for ", counted(gap_total, period), ": ",
                        shorten(gaps, gap_total), remedy);
  }
  const std::string verb = options.missing == Missing::drop ? "dropped " : "interpolated ";
  if (!empty.empty())
    series.notes.push_back(verb + counted(empty.size(), period) +
                           " without a value: " + shorten(empty, empty.size()));
  if (gap_total > 0)
    series.notes.push_back(verb + counted(gap_total, period) +
                           " without a row: " + shorten(gaps, gap_total));
}

void drop_absent(Series& series) {
  size_t kept = 0;
  for (size_t i = 0; i < series.size(); ++i) {
    if (std::isnan(series.values[i])) continue;
    series.values[kept] = series.values[i];
    if (kept != i) series.time[kept] = std::move(series.time[i]);
    ++kept;
  }
  series.values.resize(kept);
  series.time.resize(kept);
}

void interpolate_absent(Series& series) {
  std::vector<double>& v = series.values;
  require<FormatError>(!std::isnan(v.front()) && !std::isnan(v.back()), series.file,
                       ": the first or the last value is missing, and has no two neighbours to "
                       "interpolate between (remove that row, or use --missing drop)");
  for (size_t left = 0, right = 1; right < v.size(); ++right) {
    if (std::isnan(v[right])) continue;
    for (size_t i = left + 1; i < right; ++i) {
      const double share = static_cast<double>(i - left) / static_cast<double>(right - left);
      v[i] = v[left] + share * (v[right] - v[left]);
    }
    left = right;
  }
}

}  // namespace

std::vector<std::string> Series::future(size_t n) const {
  std::vector<std::string> labels;
  for (int64_t k = 1; k <= static_cast<int64_t>(n); ++k)
    labels.push_back(calendar    ? calendar->label(last + k)
                     : step != 0 ? std::to_string(last + k * step)
                                 : '+' + std::to_string(k));
  return labels;
}

Series parse_series(std::string_view text, const std::string& file, const ReadOptions& options) {
  const Table table = parse_csv(text, file);
  const auto [time, index, value] =
      choose_columns(table, options.time_column, options.value_column);

  Series series;
  series.file = file;
  series.name = table.header[value].text;
  std::vector<Row> rows = read_rows(table, time, value);
  constexpr size_t kFewest = 3;  // two steps show how often there is a value
  const auto require_few = [&](size_t n) {
    require<FormatError>(n >= kFewest, file, ": ", counted(n, "value"), ", at least ", kFewest,
                         " are needed (a series)");
  };
  require_few(rows.size());
  const bool dated = !index && options.frequency != Frequency::none;
  if (dated) {
    number_rows(table, options, rows, series);
    refuse_duplicates(table, rows, series);
    series.last = rows.back().period;
  } else {
    require<FormatError>(
        options.frequency.value_or(Frequency::none) == Frequency::none, file, ": a ",
        name(options.frequency.value_or(Frequency::none)), " series needs a column of times",
        time ? ", and \"" + table.header[*time].text + "\" holds plain numbers" : "");
    series.notes.push_back("frequency: none, the rows are taken as equally spaced");
    if (index) number_index(table, options, rows, series);
  }

  lay_out(table, options, rows, series);
  if (options.missing == Missing::drop) drop_absent(series);
  if (options.missing == Missing::interpolate) interpolate_absent(series);
  require_few(series.size());
  const auto& v = series.values;
  require<FormatError>(std::any_of(v.begin(), v.end(), [&](double x) { return x != v[0]; }), file,
                       ": column \"", series.name, "\" is constant (", v[0], " in all ", v.size(),
                       " rows): there is nothing to forecast");
  return series;
}

Series read_series(const std::string& path, const ReadOptions& options) {
  if (path == "-")
    return parse_series(std::string(std::istreambuf_iterator<char>(std::cin), {}), "<stdin>",
                        options);
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  require<FileError>(file.is_open(), path, ": cannot be opened: ", std::strerror(errno));
  std::string text;
  char block[1 << 16];
  errno = 0;
  do {
    file.read(block, sizeof block);
    text.append(block, static_cast<size_t>(file.gcount()));
  } while (file);
  if (const int reason = errno; file.bad() || reason != 0)
    throw FileError(path + ": cannot be read: " + std::strerror(reason), FileError::While::reading,
                    reason);
  return parse_series(text, path, options);
}

Series airline_passengers() {
  return parse_series(builtin_csv, "airline.csv", {.frequency = Frequency::monthly});
}

void require_length(const Series& series, size_t minimum, std::string_view reason) {
  require<FormatError>(series.size() >= minimum, series.file, ": ", counted(series.size(), "value"),
                       ", at least ", minimum, " are needed (", reason, ")");
}

void require_positive(const Series& series) {
  for (size_t i = 0; i < series.size(); ++i)
    require<FormatError>(series.values[i] > 0, series.file, ": \"", series.name, "\" is ",
                         series.values[i], " at ", series.time[i],
                         ": only positive values have a logarithm (use --no-log)");
}

}  // namespace tapestry::airline
