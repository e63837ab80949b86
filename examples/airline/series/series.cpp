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

#include <tapestry/examples/airline/series/rows.h>
#include <tapestry/examples/airline/series/words.h>
#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

// Fills series.time and .values with every period from first to last, absent where nothing is.
void lay_out(const Table& table, const ReadOptions& options, const std::vector<InputRow>& rows,
             Series& series) {
  std::vector<std::string> gaps, empty;
  size_t gap_total = 0;
  const InputRow *after_gap = nullptr, *first_empty = nullptr;
  const auto add = [&](std::string label, double value) {
    series.time.push_back(std::move(label));
    series.values.push_back(value);
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    const InputRow& row = rows[i];
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

Series series_of(const Table& table, const ReadOptions& options) {
  const std::string& file = table.file;
  const bool undated = options.frequency == Frequency::none;
  const Columns columns = choose_columns(table, options.time_column, options.value_column, undated);

  Series series;
  series.file = file;
  series.name = table.header[columns.value].text;
  std::vector<InputRow> rows = read_rows(table, columns, options);
  const Place place = rows.empty() ? Place{file} : table.at(*rows[0].value);
  constexpr size_t kFewest = 3;  // two steps show how often there is a value
  const auto require_few = [&](size_t n) {
    require<FormatError>(n >= kFewest, place, counted(n, "value"), ", at least ", kFewest,
                         " are needed (a series)");
  };
  require_few(rows.size());
  if (!columns.index && !undated) {
    number_rows(table, options, rows, series);
    refuse_duplicates(table, rows, series);
    series.last = rows.back().period;
  } else {
    const Frequency wanted = options.frequency.value_or(Frequency::none);
    require<FormatError>(
        wanted == Frequency::none, file, ": a ", name(wanted), " series needs a column of times",
        columns.time ? ", and \"" + table.header[*columns.time].text + "\" holds plain numbers"
                     : "");
    series.notes.push_back("frequency: none, the rows are taken as equally spaced");
    number_undated(table, columns, options, rows, series);
  }
  series.season = options.season > 0 ? options.season : season_length(series.frequency);

  for (const InputRow& row : rows)
    require<FormatError>(!options.positive || !(row.number <= 0), table.at(*row.value), '"',
                         series.name, "\" is ", row.value->text,
                         ": only positive values have a logarithm (use --no-log)");
  lay_out(table, options, rows, series);
  if (options.missing == Missing::drop) drop_absent(series);
  if (options.missing == Missing::interpolate) interpolate_absent(series);
  require_few(series.size());
  const auto& v = series.values;
  require<FormatError>(std::any_of(v.begin(), v.end(), [&](double x) { return x != v[0]; }), place,
                       "column \"", series.name, "\" is constant (", v[0], " in all ", v.size(),
                       " rows): there is nothing to forecast");
  return series;
}

Series parse_series(std::string_view text, const std::string& file, const ReadOptions& options) {
  return series_of(parse_csv(text, file), options);
}

std::string read_text(const std::string& path) {
  if (path == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
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
  return text;
}

Series read_series(const std::string& path, const ReadOptions& options) {
  return parse_series(read_text(path), path == "-" ? "<stdin>" : path, options);
}

Series airline_passengers() {
  return parse_series(builtin_csv, "airline.csv", {.frequency = Frequency::monthly});
}

void require_length(const Series& series, size_t minimum, std::string_view reason) {
  require<FormatError>(series.size() >= minimum, series.file, ": ", counted(series.size(), "value"),
                       ", at least ", minimum, " are needed (", reason, ")");
}

}  // namespace tapestry::airline
