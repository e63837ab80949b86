// airline forecast: what a run expects after its training part, and how far that was off.

#include <fmt/format.h>
#include <tapestry/examples/airline/commands.h>
#include <tapestry/examples/airline/panel/panel_run.h>
#include <tapestry/examples/airline/pictures.h>
#include <tapestry/examples/airline/report.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/run_directory.h>

#include <cmath>

namespace tapestry::airline {
namespace {

/// Null where the series is not for it: then it has no row.
std::shared_ptr<HybridForecaster> hybrid_of(const Run& run) {
  if (auto chosen = std::dynamic_pointer_cast<HybridForecaster>(run.forecaster)) return chosen;
  try {
    return fit_hybrid(run.settings.training, run.split().train(), season_of(run.series),
                      run.settings.horizon);
  } catch (const ValueError&) {
    return nullptr;
  }
}

/// The forecasts of what nobody knows yet.
void print_future(const Run& run, const Timeline& line) {
  if (!std::isnan(line.actual.back())) return;
  const int digits = decimals(line.forecast.back());
  fmt::print("{:<20}{:>11}{:>24}{:>24}\n", run.series.name, "forecast", "80 %", "95 %");
  for (size_t t = run.series.size(); t < line.size(); ++t) {
    fmt::print("{:<20}{:>11.{}f}", line.time[t], line.forecast[t], digits);
    for (size_t i = 0; run.intervals.known() && i < line.low.size(); ++i)
      fmt::print("{:>24}", fmt::format("{:.{}f} to {:.{}f}", line.low[i][t], digits,
                                       line.high[i][t], digits));
    fmt::print("\n");
  }
  fmt::print("\n");
}

void print_report(const Run& run, const Timeline& line, const Evaluation& evaluation) {
  const std::string runs = run.settings.training.runs == 1
                               ? "1 run"
                               : fmt::format("median of {} runs", run.settings.training.runs);
  const double sd = evaluation.multi_step.empty() ? 0 : evaluation.multi_step[0].rmse_sd;
  if (!evaluation.multi_step.empty()) {
    fmt::print("{}, {} to {}\nLSTM: {}{}\n\n", run.series.name, run.series.time[run.train_size],
               run.series.time.back(), runs,
               sd > 0 ? fmt::format(", deviation of its RMSE {:.{}f}", sd, decimals(sd)) : "");
    const size_t held = run.series.size() - run.train_size;
    print_table(fmt::format("multi-step: {}all forecast at {}",
                            evaluation.ahead < held
                                ? fmt::format("the first {} of {}, ", evaluation.ahead, held)
                                : "",
                            run.series.time[run.train_size - 1]),
                evaluation.multi_step);
    print_table("\none step ahead: each when those before are known", evaluation.one_step);
    fmt::print("\n");
  }
  print_table("training part, one step ahead", evaluation.train);
  fmt::print("\n");
  print_future(run, line);
  if (!run.intervals.known()) return;
  fmt::print("intervals {}", Intervals::method);
  const std::vector<double> covered = coverage(line);
  for (size_t i = 0; i < covered.size(); ++i)
    fmt::print("{}{:.0f} % within that of {} %", i ? ", " : ": ", 100 * covered[i],
               Intervals::levels[i]);
  fmt::print("\n");
}

}  // namespace

void add_options(app::Command& command, ForecastSettings& s) {
  command.add_option("RUN", s.run, "directory that airline fit left")->required();
  command.add_option("--horizon", s.horizon, "values to forecast (0: as many as when fitted)")
      ->check(app::whole_number(0, 100'000));
  command.add_option("--actual", s.actual, "of a panel: file of what followed, to score against");
  command.add_flag("--json", s.json, "print the measures of error as one JSON object");
  command.add_flag("--csv", s.csv, "print time,split,actual,forecast,lo80,hi80,lo95,hi95");
  command.add_flag("-q,--quiet", s.quiet, "no chart on a terminal");
  command.footer("Example: airline forecast runs/airline-20240611-120000 --horizon 36 --csv");
}

app::ExitCode forecast(const ForecastSettings& settings) {
  if (is_panel_run(settings.run)) return forecast_panel(settings);
  return forecast(open_run(settings.run), settings);
}

app::ExitCode forecast(const Run& run, const ForecastSettings& s) {
  const size_t horizon = s.horizon ? s.horizon : run.settings.horizon;
  if (const auto at_once = static_cast<size_t>(run.settings.training.lstm.direct);
      at_once > 0 && horizon > at_once)
    throw app::UserError(app::ExitCode::usage,
                         fmt::format("--horizon: {}: the network of this run forecasts {} values "
                                     "at once and no more",
                                     horizon, at_once),
                         "fit with a longer --horizon, or with --strategy recursive");
  const Timeline line = timeline(run, horizon);
  const auto hybrid = hybrid_of(run);
  const Evaluation evaluation = evaluate(run.ensemble, hybrid.get(), run.split(),
                                         static_cast<size_t>(run.settings.training.lstm.direct));
  const std::filesystem::path directory(s.run);
  const std::string json = json_text(evaluation, run.intervals, coverage(line));
  app::write_atomically(directory / "forecast.csv", csv_of(line));
  app::write_atomically(directory / "metrics.json", json);
  draw(run, line, directory, s.quiet);
  if (s.json || s.csv) {
    fmt::print("{}", s.json ? json : csv_of(line));
    return app::ExitCode::ok;
  }
  print_report(run, line, evaluation);
  fmt::print("run {}\n", s.run);
  return app::ExitCode::ok;
}

}  // namespace tapestry::airline
