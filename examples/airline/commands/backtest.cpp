// airline backtest: every method fitted and tried at many origins in turn.

#include <fmt/format.h>
#include <tapestry/examples/airline/commands.h>
#include <tapestry/examples/airline/pictures.h>
#include <tapestry/examples/airline/report.h>
#include <tapestry/examples/airline/scores/rolling.h>
#include <tapestry/examples/airline/series/words.h>
#include <tapestry/examples/common/csv.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/progress.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/common/run_directory.h>

#include <atomic>
#include <cmath>
#include <ctime>

namespace tapestry::airline {
namespace {

const std::vector<std::string> kFiles = {"backtest.csv", "metrics.json", "fans.*"};

Rolling roll_in_sight(const BacktestSettings& s, const Series& series) {
  std::atomic<int64_t> done = 0;
  const RollingSettings rolling{s.training, s.origins, s.horizon};
  const auto total = static_cast<double>(fits_of(series.size(), season_of(series), rolling));
  app::Progress progress(total, s.common.progress_settings("fits"));
  Rolling out = roll(series.values, season_of(series), rolling, [&] {
    progress.update(static_cast<double>(++done), [] {
      return app::Status{"back-test", {}, "", {}};
    });
  });
  progress.finish(total, {"back-test", {}, "", {}});
  return out;
}

std::vector<Row> rows_of(const Rolling& r, const Series& series) {
  std::vector<Scores> runs;
  for (const Paths& run : r.runs) runs.push_back(score(r, run, series.values, season_of(series)));
  std::vector<Row> rows = {median_row(runs)};
  for (const Paths& m : r.methods) {
    std::optional<Scores> scores;
    if (!m.forecasts.empty()) scores = score(r, m, series.values, season_of(series));
    rows.push_back({m.name, m.title, scores, 0, m.problem});
  }
  return rows;
}

/// origin,time,distance,actual,<methods>,lo80,hi80,lo95,hi95; a row per origin and distance.
std::string csv_of(const Rolling& r, const Series& series) {
  std::string out = "origin,time,distance,actual";
  for (const Paths& m : r.methods) out += "," + m.name;
  out += ",lo80,hi80,lo95,hi95\n";
  for (size_t k = 0; k < r.origins; ++k)
    for (size_t h = 0; h < r.horizon; ++h) {
      const size_t t = r.train_size(k) + h;
      out += fmt::format("{},{},{},{}", app::csv_field(series.time[r.train_size(k) - 1]),
                         app::csv_field(series.time[t]), h + 1, series.values[t]);
      for (const Paths& m : r.methods)
        out += m.forecasts.empty() ? "," : fmt::format(",{}", m.forecasts[k][h]);
      const double forecast = r.chosen().forecasts[k][h];
      for (size_t i = 0; i < Intervals::levels.size(); ++i)
        out += r.intervals[k].known()
                   ? fmt::format(",{},{}", r.intervals[k].low(i, h + 1, forecast),
                                 r.intervals[k].high(i, h + 1, forecast))
                   : ",,";
      out += "\n";
    }
  return out;
}

/// The actual values, and the forecasts from some origins; those in one colour do not overlap.
app::Plot fans(const Rolling& r, const Series& series) {
  app::Plot plot{.title = fmt::format("{}: forecasts of {} {}s from several origins", series.name,
                                      r.horizon, period_name(series.frequency)),
                 .x_label = period_name(series.frequency),
                 .y_label = series.name,
                 .series = {},
                 .x_axis = axis_of(series)};
  app::Series actual{"actual", {}, {}};
  const auto add = [&](app::Series& to, size_t t, double y) {
    to.x.push_back(x_of(series, series.time, t));
    to.y.push_back(y);
  };
  const size_t first = r.first - std::min(r.first, r.horizon);
  for (size_t t = first; t < series.size(); ++t) add(actual, t, series.values[t]);
  plot.series.push_back(std::move(actual));
  constexpr size_t colours = 4;
  const size_t stride = std::max<size_t>(1, (r.horizon + colours - 1) / colours);
  for (size_t start = 0; start < std::min(r.horizon, r.origins); start += stride) {
    app::Series fan{"from " + series.time[r.train_size(start) - 1], {}, {}};
    for (size_t k = start; k < r.origins; k += r.horizon) {
      const size_t origin = r.train_size(k) - 1;
      if (k > start) add(fan, origin, std::nan(""));  // a gap
      add(fan, origin, series.values[origin]);
      for (size_t h = 0; h < r.horizon; ++h) add(fan, origin + h + 1, r.chosen().forecasts[k][h]);
    }
    if (start + r.horizon < r.origins) fan.name += " ...";
    plot.series.push_back(std::move(fan));
  }
  return plot;
}

}  // namespace

void add_options(app::Command& command, BacktestSettings& s) {
  using app::whole_number;
  add_input_options(command, s.input);
  const std::string group = "Back-test";
  command.add_option("--origins", s.origins, "how many origins, the last ones there are")
      ->check(whole_number(1, 100'000))
      ->group(group);
  command.add_option("--horizon", s.horizon, "values to forecast from each")
      ->check(whole_number(1, 100'000))
      ->group(group);
  command.add_option("--until", s.until, "use only so many values (0: all)")
      ->check(whole_number(0))
      ->group(group);
  add_training_options(command, s.training);
  add_output_options(command, s.output, s.overwrite);
  command.add_flag("--json", s.json, "print the measures of error as one JSON object")
      ->group("Output");
  app::add_common_options(command, s.common);
  command.footer("Example: airline backtest sales.csv --origins 12 --horizon 6");
}

app::ExitCode backtest(const BacktestSettings& settings) {
  BacktestSettings s = settings;
  if (s.input.is_panel())
    throw app::UserError(app::ExitCode::usage,
                         "--id-column, --wide: a back-test is of one series, not of a panel",
                         "airline fit --test N holds out the last values of each series");
  Series series = read_input(s.input, s.training.lstm.preprocessing.log);
  if (s.until > 0 && s.until < series.size()) {
    series.values.resize(s.until);
    series.time.resize(s.until);
  }
  if (s.training.direct) s.training.lstm.direct = static_cast<int64_t>(s.horizon);
  require_enough(series, s.training.lstm, s.origins + s.horizon - 1,
                 "--origins, --horizon and --lookback");
  if (s.output.empty()) s.output = app::create_default_run("airline", std::time(nullptr)).string();
  const app::RunDirectory directory(
      s.output, kFiles, s.overwrite ? app::IfRunExists::overwrite : app::IfRunExists::refuse);
  const Rolling r = roll_in_sight(s, series);
  const std::vector<Row> rows = rows_of(r, series);
  std::vector<DistanceRow> distances;
  for (const Paths& m : r.methods)
    if (!m.forecasts.empty()) distances.push_back({m.title, rmse_by_distance(r, m, series.values)});
  const std::vector<double> covered = coverage(r, series.values);
  Evaluation evaluation;
  evaluation.multi_step = rows;
  const std::string json = json_text(evaluation, r.intervals.back(), covered);
  app::write_atomically(directory / "backtest.csv", csv_of(r, series));
  app::write_atomically(directory / "metrics.json", json);
  app::draw(fans(r, series), directory / "fans", "airline", s.common.quiet);
  if (s.json) {
    fmt::print("{}", json);
    return app::ExitCode::ok;
  }

  fmt::print("{}: {}, {} to {}, {} forecast from each\nLSTM: median of {}\n\n", series.name,
             counted(s.origins, "origin"), series.time[r.first - 1],
             series.time[r.train_size(r.origins - 1) - 1],
             counted(s.horizon, period_name(series.frequency)), counted(s.training.runs, "run"));
  print_table("all distances", rows);
  fmt::print("\n");
  print_distances(distances);
  for (size_t i = 0; i < covered.size(); ++i)
    fmt::print("{}{} % intervals cover {:.0f} %", i ? ", " : "\n", Intervals::levels[i],
               100 * covered[i]);
  fmt::print("{}\nrun {}\n", covered.empty() ? "" : fmt::format(" ({})\n", Intervals::method),
             s.output);
  return app::ExitCode::ok;
}

}  // namespace tapestry::airline
