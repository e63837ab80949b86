#include <tapestry/examples/airline/series/rows.h>

#include <algorithm>
#include <limits>

#include <tapestry/examples/airline/series/words.h>
#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

constexpr const char* kSorted = "the rows were sorted by time";

/// What separates the fraction in a column: as the first cell that can only be read one way says.
Decimal decimal_in(const Table& table, size_t column) {
  const Cell* doubtful = nullptr;
  for (const auto& row : table.rows) {
    const Cell& cell = row[column];
    if (const auto decimal = decimal_of(cell.text)) return *decimal;
    if (!doubtful && cell.text.find(',') != std::string::npos && resembles_number(cell.text))
      doubtful = &cell;
  }
  if (doubtful) {
    std::string with_point = doubtful->text, without = doubtful->text;
    std::replace(with_point.begin(), with_point.end(), ',', '.');
    std::erase(without, ',');
    fail<FormatError>(table.at(*doubtful), '"', doubtful->text, "\" may be ", with_point, " or ",
                      without, ", and no other row tells (say --decimal comma or --decimal point)");
  }
  return Decimal::point;
}

/// Which comes first in dates such as 03/04/1949; the other reading must be impossible somewhere.
DateOrder order_of(const Table& table, const std::vector<InputRow>& rows,
                   const std::vector<Readings>& readings) {
  const InputRow *day = nullptr, *month = nullptr, *either = nullptr;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Readings& r = readings[i];
    if (r.day_first && !r.month_first && !day) day = &rows[i];
    if (r.month_first && !r.day_first && !month) month = &rows[i];
    if (r.day_first && r.month_first && *r.day_first != *r.month_first && !either)
      either = &rows[i];
  }
  if (day && month)
    fail<FormatError>(table.at(*month->time), '"', month->time->text,
                      "\" has the month first, but \"", day->time->text, "\" in line ",
                      day->time->line, " the day");
  if (day) return DateOrder::day_first;
  if (month || !either) return DateOrder::month_first;
  const Readings r = read_stamp(either->time->text);
  fail<FormatError>(table.at(*either->time), '"', either->time->text, "\" may be ",
                    Calendar(Frequency::daily, *r.day_first).label(day_of(*r.day_first)), " or ",
                    Calendar(Frequency::daily, *r.month_first).label(day_of(*r.month_first)),
                    ", and no other row tells (say --date-order day or --date-order month)");
}

/// One unit and one zone for all.
void unify(std::vector<Stamp>& stamps, const Table& table, const std::vector<InputRow>& rows,
           Series& series) {
  const auto is_minute = [](const Stamp& s) { return s.unit == Unit::minute; };
  if (std::any_of(stamps.begin(), stamps.end(), is_minute))
    for (Stamp& s : stamps) s = in_minutes(s);
  const auto elsewhere = [&](const Stamp& s) { return s.zone != stamps[0].zone; };
  if (std::any_of(stamps.begin(), stamps.end(), elsewhere)) {
    for (Stamp& s : stamps) {
      s = in_minutes(s);
      s.count -= s.zone;
    }
    const auto whole = [](const Stamp& s) { return s.unit == Unit::minute && s.count % 60 == 0; };
    if (std::all_of(stamps.begin(), stamps.end(), whole))
      for (Stamp& s : stamps) s = {Unit::hour, floor_div(s.count, 60), 0};
    series.notes.push_back("the times are of several zones and were taken to UTC");
  }
  for (size_t i = 0; i < stamps.size(); ++i)
    require<FormatError>(stamps[i].unit == stamps[0].unit, table.at(*rows[i].time), '"',
                         rows[i].time->text, "\" is not written like the first time, \"",
                         rows[0].time->text, '"');
}

std::vector<Stamp> read_stamps(const Table& table, const ReadOptions& options,
                               const std::vector<InputRow>& rows, Series& series) {
  std::vector<Readings> readings;
  for (const InputRow& row : rows) {
    readings.push_back(read_stamp(row.time->text));
    require<FormatError>(readings.back().day_first || readings.back().month_first,
                         table.at(*row.time), '"', row.time->text, "\" is not a time (",
                         time_hint(row.time->text), ")");
  }
  const DateOrder order =
      options.date_order ? *options.date_order : order_of(table, rows, readings);
  std::vector<Stamp> stamps;
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto& stamp =
        order == DateOrder::day_first ? readings[i].day_first : readings[i].month_first;
    require<FormatError>(stamp.has_value(), table.at(*rows[i].time), '"', rows[i].time->text,
                         "\" is no date with the ", order == DateOrder::day_first ? "day" : "month",
                         " first");
    stamps.push_back(*stamp);
  }
  unify(stamps, table, rows, series);
  return stamps;
}

Frequency frequency_of(const Table& table, const ReadOptions& options, const InputRow& first,
                       std::vector<Stamp> stamps, Series& series) {
  if (options.frequency) return *options.frequency;
  std::sort(stamps.begin(), stamps.end(),
            [](const Stamp& a, const Stamp& b) { return a.count < b.count; });
  const auto inferred = infer_frequency(stamps);
  require<FormatError>(inferred.has_value(), table.at(*first.time),
                       "the times are not hourly, daily, weekly, monthly, quarterly, yearly or "
                       "some minutes apart (--freq none takes the rows as equally spaced)");
  series.notes.push_back(std::string("frequency: ") + name(*inferred) + ", inferred");
  return *inferred;
}

}  // namespace

std::vector<InputRow> read_rows(const Table& table, const Columns& columns,
                                const ReadOptions& options) {
  const Decimal decimal = options.decimal ? *options.decimal : decimal_in(table, columns.value);
  std::vector<InputRow> rows;
  for (const auto& cells : table.rows) {
    const Cell& cell = cells[columns.value];
    const auto number = parse_decimal(cell.text, decimal);
    if (!number && !means_missing(cell.text))
      fail<FormatError>(table.at(cell), '"', cell.text, "\" in column \"",
                        table.header[columns.value].text, "\" is not a number",
                        !resembles_number(cell.text) ? ""
                        : decimal == Decimal::comma  ? " with a decimal comma, as above"
                                                     : " with a decimal point, as above");
    rows.push_back(
        {columns.time ? &cells[*columns.time] : nullptr, &cell, number.value_or(absent), 0});
  }
  return rows;
}

void number_rows(const Table& table, const ReadOptions& options, std::vector<InputRow>& rows,
                 Series& series) {
  const std::vector<Stamp> stamps = read_stamps(table, options, rows, series);
  series.frequency = frequency_of(table, options, rows[0], stamps, series);
  try {
    series.calendar.emplace(series.frequency, stamps[0]);
  } catch (const ValueError& error) {
    fail<FormatError>(table.at(*rows[0].time), error.what());
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto period = series.calendar->period(stamps[i]);
    if (!period && series.frequency == Frequency::business)
      fail<FormatError>(table.at(*rows[i].time), rows[i].time->text,
                        " is a Saturday or a Sunday, in a series of business days");
    require<FormatError>(period.has_value(), table.at(*rows[i].time), rows[i].time->text,
                         " is not a whole number of ", period_name(series.frequency), "s after ",
                         rows[0].time->text);
    rows[i].period = *period;
  }
  const auto earlier = [](const InputRow& a, const InputRow& b) { return a.period < b.period; };
  if (!std::is_sorted(rows.begin(), rows.end(), earlier)) {
    std::stable_sort(rows.begin(), rows.end(), earlier);
    series.notes.push_back(kSorted);
  }
}

void number_undated(const Table& table, const Columns& columns, const ReadOptions& options,
                    std::vector<InputRow>& rows, Series& series) {
  series.last = static_cast<int64_t>(rows.size());
  series.step = 1;
  if (!columns.time || rows.size() < 2) return;
  if (!columns.index) {  // labels of any kind
    series.step = 0;
    const auto count = [](const InputRow& row) {
      const auto stamp = parse_stamp(row.time->text);
      return stamp ? std::optional(stamp->count) : std::nullopt;
    };
    bool falls = true;
    for (size_t i = 1; i < rows.size() && falls; ++i) {
      const auto a = count(rows[i - 1]), b = count(rows[i]);
      falls = a && b && *b < *a;
    }
    if (!falls) return;
    std::reverse(rows.begin(), rows.end());
    series.notes.push_back(kSorted);
    return;
  }
  const auto number = [&](size_t i) { return *parse_number<int64_t>(rows[i].time->text); };
  if (number(1) < number(0)) {
    std::reverse(rows.begin(), rows.end());
    series.notes.push_back(kSorted);
  }
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

void refuse_duplicates(const Table& table, const std::vector<InputRow>& rows,
                       const Series& series) {
  std::vector<std::string> labels;
  const InputRow *first = nullptr, *second = nullptr;
  size_t total = 0;
  for (size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].period != rows[i - 1].period) continue;
    if (!first) first = &rows[i - 1], second = &rows[i];
    if (i > 1 && rows[i].period == rows[i - 2].period) continue;
    if (++total <= 10) labels.push_back(series.calendar->label(rows[i].period));
  }
  if (first)
    fail<FormatError>(table.at(*second->time), counted(total, period_name(series.frequency)),
                      " given more than once: ", shorten(labels, total), " (first at line ",
                      first->time->line, "; keep one row of each)");
}

}  // namespace tapestry::airline
