#include <tapestry/examples/airline/panel/panel.h>

#include <algorithm>
#include <functional>
#include <unordered_map>

#include <tapestry/examples/airline/series/rows.h>
#include <tapestry/examples/airline/series/words.h>
#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

/// Adds a series to the panel, or what is wrong with it.
void add(Panel& panel, const PanelOptions& options, const std::string& id, const Place& place,
         const std::function<Series()>& read) {
  try {
    Series series = read();
    require<FormatError>(series.size() >= options.least, place, counted(series.size(), "value"),
                         ", at least ", options.least, " are needed");
    panel.ids.push_back(id);
    panel.series.push_back(std::move(series));
  } catch (const FormatError& error) {
    const FormatError bad = error.within("series " + id);
    require<FormatError>(options.skip_bad, bad.place, bad.problem(),
                         "; --skip-bad leaves such series out");
    panel.left_out.push_back(bad.what());
  }
}

/// What the first series that can be read says of all: its columns, its frequency.
ReadOptions settled(const std::vector<std::pair<std::string, Table>>& parts, ReadOptions options) {
  for (const auto& [id, table] : parts) try {
      const Series series = series_of(table, options);
      options.frequency = series.frequency;
      return options;
    } catch (const FormatError&) {
    }
  return options;
}

void read_long(Panel& panel, std::string_view text, const PanelOptions& options) {
  const auto parts = by_series(parse_csv(text, panel.file), options.id_column);
  ReadOptions read = settled(parts, options.read);
  read.positive = options.positive;
  for (const auto& [id, table] : parts) {
    const Table* part = &table;
    add(panel, options, id, table.at(table.rows[0][0]),
        [part, &read] { return series_of(*part, read); });
  }
}

/// The fields of a line; quotes may stand around each.
std::vector<std::string> fields_of(std::string_view line) {
  std::vector<std::string> out(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"')
      quoted = !quoted;
    else if ((c == ',' || c == ';' || c == '\t') && !quoted)
      out.emplace_back();
    else if (c != '\r')
      out.back() += c;
  }
  return out;
}

Series wide_series(const std::vector<std::string>& fields, const Place& place, const Panel& panel,
                   const PanelOptions& options) {
  Series series;
  series.file = panel.file;
  series.name = "value";
  series.frequency = options.read.frequency.value_or(Frequency::none);
  series.season = options.read.season > 0 ? options.read.season : season_length(series.frequency);
  size_t last = fields.size();
  while (last > 1 && means_missing(fields[last - 1])) --last;  // rows are as long as the longest
  for (size_t i = 1; i < last; ++i) {
    const auto number = parse_number<double>(fields[i]);
    require<FormatError>(number.has_value(), place, "\"", fields[i], "\" in field ", i + 1,
                         " is not a number");
    require<FormatError>(!options.positive || *number > 0, place, "value ", *number, " in field ",
                         i + 1, ": only positive values have a logarithm (use --no-log)");
    series.values.push_back(*number);
  }
  series.last = static_cast<int64_t>(series.values.size());
  series.step = 1;
  const auto& v = series.values;
  const bool varies = std::any_of(v.begin(), v.end(), [&](double x) { return x != v[0]; });
  require<FormatError>(varies || options.least < 3, place, "constant (", v.empty() ? 0 : v[0],
                       " in all ", v.size(), " values): there is nothing to forecast");
  return series;
}

void read_wide(Panel& panel, std::string_view text, const PanelOptions& options) {
  std::unordered_map<std::string, size_t> lines;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::vector<std::string> fields = fields_of(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (fields.size() == 1 && fields[0].empty()) continue;
    const bool numeric = fields.size() > 1 && parse_number<double>(fields[1]).has_value();
    if (number == 1 && !numeric) continue;  // V1, V2, ...
    const Place place{message_of(panel.file, ":", number)};
    const auto [first, is_new] = lines.try_emplace(fields[0], number);
    add(panel, options, fields[0], place, [&, first = first, is_new = is_new] {
      require<FormatError>(is_new, place, "given before, in line ", first->second);
      return wide_series(fields, place, panel, options);
    });
  }
}

}  // namespace

std::vector<std::pair<std::string, Table>> by_series(Table table, const std::string& id_column) {
  const auto is_it = [&](const Cell& cell) { return cell.text == id_column; };
  const auto found = std::find_if(table.header.begin(), table.header.end(), is_it);
  std::string names;
  for (const Cell& cell : table.header) names += (names.empty() ? "\"" : ", \"") + cell.text + '"';
  require<FormatError>(found != table.header.end(), table.at(table.header[0]), "no column \"",
                       id_column, "\"; the columns are ", names);
  const ptrdiff_t column = found - table.header.begin();
  table.header.erase(found);
  std::vector<std::pair<std::string, Table>> out;
  std::unordered_map<std::string, size_t> places;
  for (std::vector<Cell>& row : table.rows) {
    const Cell id = row[static_cast<size_t>(column)];
    require<FormatError>(!id.text.empty(), table.at(id), "no name of a series");
    row.erase(row.begin() + column);
    const auto [place, is_new] = places.try_emplace(id.text, out.size());
    if (is_new) out.push_back({id.text, {table.file, table.header, {}}});
    out[place->second].second.rows.push_back(std::move(row));
  }
  return out;
}

std::vector<std::vector<std::string>> wide_fields(std::string_view text) {
  std::vector<std::vector<std::string>> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) out.push_back(fields_of(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

size_t Panel::values() const {
  size_t sum = 0;
  for (const Series& s : series) sum += s.size();
  return sum;
}

Panel parse_panel(std::string_view text, const std::string& file, const PanelOptions& options) {
  Panel panel;
  panel.file = file;
  require<FormatError>(text.find_first_not_of(" \t\r\n") != std::string_view::npos, file,
                       ": the file is empty (expected a row for each value or each series)");
  if (options.id_column.empty())
    read_wide(panel, text, options);
  else
    read_long(panel, text, options);
  require<FormatError>(!panel.ids.empty(), file, ": no series to learn from",
                       panel.left_out.empty() ? "" : ", all are left out: " + panel.left_out[0]);
  for (size_t i = 1; i < panel.series.size(); ++i)
    require<FormatError>(panel.series[i].frequency == panel.frequency(), file, ": series ",
                         panel.ids[i], " is ", name(panel.series[i].frequency), ", series ",
                         panel.ids[0], " ", name(panel.frequency()));
  return panel;
}

Panel read_panel(const std::string& path, const PanelOptions& options) {
  return parse_panel(read_text(path), path == "-" ? "<stdin>" : path, options);
}

}  // namespace tapestry::airline
