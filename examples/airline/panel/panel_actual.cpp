#include <tapestry/examples/airline/panel/panel_actual.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include <tapestry/examples/airline/series/rows.h>
#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

using Values = std::vector<double>;
using Times = std::vector<std::string>;

constexpr double absent = std::numeric_limits<double>::quiet_NaN();

/// The rows of one series at its times.
Values at_times(const Table& table, const ReadOptions& options, Frequency frequency,
                const Times& times) {
  const bool undated = frequency == Frequency::none;
  const Columns columns = choose_columns(table, options.time_column, options.value_column, undated);
  std::vector<InputRow> rows = read_rows(table, columns, options);
  Series series;
  if (!undated) {
    require<FormatError>(columns.time.has_value(), table.at(table.header[0]), "no column of times");
    number_rows(table, options, rows, series);
    refuse_duplicates(table, rows, series);
  }
  Values out(times.size(), absent);
  size_t next = 0, found = 0;
  for (const InputRow& row : rows) {
    const std::string label = undated ? (columns.time ? row.time->text : times[next])
                                      : series.calendar->label(row.period);
    const auto place = std::find(times.begin(), times.end(), label);
    if (place == times.end()) continue;
    out[static_cast<size_t>(place - times.begin())] = row.number;
    found = std::max(found, static_cast<size_t>(place - times.begin()) + 1);
    if (++next == times.size()) break;
  }
  const Place where = table.at(table.rows[0][0]);
  require<FormatError>(found > 0, where, "no value at ", times.front(),
                       ", which is forecast first, or later");
  out.resize(found);
  for (size_t h = 0; h < found; ++h)
    require<FormatError>(!std::isnan(out[h]), where, "no value at ", times[h], ", but at ",
                         times[found - 1]);
  return out;
}

/// Whether the first line names a column so.
bool has_column(std::string_view text, const std::string& name) {
  if (name.empty()) return false;
  const std::string_view line = text.substr(0, text.find_first_of("\r\n"));
  const auto fields = wide_fields(std::string(line) + "\n");
  return !fields.empty() && std::find(fields[0].begin(), fields[0].end(), name) != fields[0].end();
}

}  // namespace

std::vector<Values> parse_actual(std::string_view text, const std::string& file,
                                 const InputSettings& input, Frequency frequency,
                                 const std::vector<std::string>& ids,
                                 const std::vector<Times>& times) {
  std::vector<Values> out(ids.size());
  std::unordered_map<std::string, size_t> places;
  for (size_t i = 0; i < ids.size(); ++i) places[ids[i]] = i;
  if (has_column(text, input.id_column)) {
    ReadOptions options = input.read;
    options.frequency = frequency;
    for (const auto& [id, table] : by_series(parse_csv(text, file), input.id_column)) {
      const auto place = places.find(id);
      if (place == places.end()) continue;
      try {
        out[place->second] = at_times(table, options, frequency, times[place->second]);
      } catch (const FormatError& error) {
        throw error.within("series " + id);
      }
    }
  } else {
    PanelOptions options;
    options.least = 1;
    options.positive = false;
    Panel panel = parse_panel(text, file, options);
    for (size_t i = 0; i < panel.ids.size(); ++i)
      if (const auto place = places.find(panel.ids[i]); place != places.end()) {
        Values& values = panel.series[i].values;
        values.resize(std::min(values.size(), times[place->second].size()));
        out[place->second] = std::move(values);
      }
  }
  for (size_t i = 0; i < ids.size(); ++i)
    require<FormatError>(!out[i].empty(), file, ": no series ", ids[i]);
  return out;
}

std::vector<Values> read_actual(const std::string& file, const InputSettings& input,
                                Frequency frequency, const std::vector<std::string>& ids,
                                const std::vector<Times>& times) {
  return parse_actual(read_text(file), file, input, frequency, ids, times);
}

}  // namespace tapestry::airline
