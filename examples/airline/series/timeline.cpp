#include <fmt/format.h>
#include <tapestry/examples/airline/series/timeline.h>
#include <tapestry/examples/common/csv.h>

#include <cmath>
#include <limits>

namespace tapestry::airline {
namespace {

std::string cell(double x) { return std::isnan(x) ? "" : fmt::format("{}", x); }

}  // namespace

Timeline timeline(const Run& run, size_t horizon) {
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  Timeline out{run.series.time, run.train_size, run.series.values, {}, {}, {}};
  const size_t end = std::max(run.series.size(), run.train_size + horizon);
  for (const std::string& label : run.series.future(end - run.series.size()))
    out.time.push_back(label);
  out.actual.resize(end, none);
  const auto fitted = run.forecaster->fitted();
  out.forecast.assign(fitted.begin(), fitted.end());
  for (const double f : run.forecaster->forecast(horizon)) out.forecast.push_back(f);
  out.forecast.resize(end, none);
  for (size_t i = 0; i < Intervals::levels.size(); ++i) {
    out.low[i].assign(end, none);
    out.high[i].assign(end, none);
    for (size_t h = 1; run.intervals.known() && h <= horizon; ++h) {
      const size_t t = run.train_size + h - 1;
      out.low[i][t] = run.intervals.low(i, h, out.forecast[t]);
      out.high[i][t] = run.intervals.high(i, h, out.forecast[t]);
    }
  }
  return out;
}

std::string csv_of(const Timeline& line) {
  std::string out = "time,split,actual,forecast,lo80,hi80,lo95,hi95\n";
  for (size_t t = 0; t < line.size(); ++t) {
    const char* split = t < line.train_size          ? "train"
                        : std::isnan(line.actual[t]) ? "future"
                                                     : "test";
    out += fmt::format("{},{},{},{}", app::csv_field(line.time[t]), split, cell(line.actual[t]),
                       cell(line.forecast[t]));
    for (size_t i = 0; i < line.low.size(); ++i)
      out += fmt::format(",{},{}", cell(line.low[i][t]), cell(line.high[i][t]));
    out += "\n";
  }
  return out;
}

std::vector<double> coverage(const Timeline& line) {
  std::vector<double> shares;
  for (size_t i = 0; i < line.low.size(); ++i) {
    size_t covered = 0, all = 0;
    for (size_t t = line.train_size; t < line.size(); ++t) {
      if (std::isnan(line.actual[t]) || std::isnan(line.low[i][t])) continue;
      ++all;
      covered += line.low[i][t] <= line.actual[t] && line.actual[t] <= line.high[i][t];
    }
    if (all > 0) shares.push_back(static_cast<double>(covered) / static_cast<double>(all));
  }
  return shares;
}

}  // namespace tapestry::airline
