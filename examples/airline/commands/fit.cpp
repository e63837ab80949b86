// airline fit: trains networks from several seeds on all but the last values of a series, and
// calibrates their intervals.

#include <fmt/format.h>
#include <tapestry/examples/airline/commands.h>
#include <tapestry/examples/airline/parallel.h>
#include <tapestry/examples/airline/report.h>
#include <tapestry/examples/airline/series/words.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/progress.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/common/run_directory.h>

#include <atomic>
#include <ctime>

namespace tapestry::airline {
namespace {

/// Trains in sight of the user.
Ensemble train(const FitSettings& s, const Series& series, size_t train_size, const char* what) {
  const auto runs = static_cast<double>(s.training.runs);
  const double total = runs * static_cast<double>(s.training.lstm.epochs);
  app::Progress progress(total, s.common.progress_settings("epochs"));
  app::Status status{what, {}, "", {}};
  std::atomic<int64_t> done = 0;
  Ensemble out(std::span(series.values).first(train_size), season_of(series), s.training.lstm,
               s.training.runs, s.training.workers, [&](size_t, int64_t, double loss) {
                 progress.update(static_cast<double>(++done), [&] {
                   return app::Status{what, {}, "", {fmt::format("loss {:.4f}", loss)}};
                 });
               });
  progress.finish(total, status);
  return out;
}

/// By forecasters of the same settings that are fitted anew among the last values.
Intervals calibrate(const FitSettings& s, const Series& series, size_t train_size) {
  const size_t season = season_of(series);
  const CalibrationPlan plan =
      plan_calibration(train_size, season, least_of(s.training, season, s.horizon), s.horizon);
  const bool log = s.training.lstm.preprocessing.log;
  if (plan.size == 0) {
    if (!s.common.quiet)
      app::note("note   no intervals: too few values to learn from, {}\n", train_size);
    return {log, {}};
  }
  const std::vector<size_t> fits = plan.fits();
  const auto total = static_cast<double>(fits.size());
  app::Progress progress(total, s.common.progress_settings("fits"));
  std::atomic<int64_t> done = 0;
  const auto train = std::span<const double>(series.values).first(train_size);
  std::vector<std::vector<std::vector<double>>> forecasts(fits.size());
  parallel_for(fits.size(), s.training.workers, [&](size_t i) {
    const int64_t workers = fits.size() > 1 ? 1 : s.training.workers;
    const auto fit = fit_chosen(s.training, train.first(fits[i]), season, s.horizon, workers);
    forecasts[i] = rolling_forecasts(*fit, train.subspan(fits[i]), plan.origins(fits[i]),
                                     std::min(s.horizon, plan.size));
    progress.update(static_cast<double>(++done), [] {
      return app::Status{"intervals", {}, "", {}};
    });
  });
  progress.finish(total, {"intervals", {}, "", {}});
  Calibration calibration(s.horizon, log);
  for (size_t i = 0; i < fits.size(); ++i)
    for (size_t origin = 0; origin < forecasts[i].size(); ++origin)
      calibration.add(forecasts[i][origin], train.subspan(fits[i] + origin));
  return calibration.intervals();
}

void banner(const FitSettings& s, const Series& series, size_t test) {
  const LstmSettings& lstm = s.training.lstm;
  app::note("data   {}, {}: {}, {} to {}; {} to learn from, {} held out\n", series.file,
            series.name, counted(series.size(), period_name(series.frequency)), series.time.front(),
            series.time.back(), series.size() - test, test);
  for (const std::string& note : series.notes) app::note("note   {}\n", note);
  app::note("model  lstm {} x {}, {} at once, {} parameters, double; {}\n", lstm.layers,
            lstm.hidden, counted(static_cast<size_t>(lstm.lookback), "value"),
            count(LstmForecaster::initial_network(season_of(series), lstm)),
            s.training.direct ? "direct" : "recursive");
  app::note("train  adam lr {:g}, {} per update, {}, {}\n", lstm.lr,
            counted(static_cast<size_t>(lstm.batch), "window"),
            counted(static_cast<size_t>(lstm.epochs), "epoch"),
            seeds_text(lstm.seed, s.training.runs));
}

}  // namespace

void add_options(app::Command& command, FitSettings& s) {
  using app::whole_number;
  add_input_options(command, s.input);
  command.add_option("--test", s.test, "how many values to hold out at the end, or the first time")
      ->group("Input");
  add_training_options(command, s.training);
  command
      .add_option("--horizon", s.horizon,
                  "values to forecast (0: those held out, or else a season)")
      ->check(whole_number(0, 100'000))
      ->group("Model");
  add_output_options(command, s.output, s.overwrite);
  app::add_common_options(command, s.common);
}

Run fit_run(FitSettings& s) {
  Series series = read_input(s.input, s.training.lstm.preprocessing.log);
  const size_t test = held_out(s.test, series), season = season_of(series);
  if (s.horizon == 0) s.horizon = test > 0 ? test : season > 1 ? season : 12;
  if (s.training.direct) s.training.lstm.direct = static_cast<int64_t>(s.horizon);
  require_enough(series, s.training.lstm, test, "--test and --lookback");
  if (s.output.empty()) s.output = app::create_default_run("airline", std::time(nullptr)).string();
  const app::RunDirectory directory(
      s.output, run_files(), s.overwrite ? app::IfRunExists::overwrite : app::IfRunExists::refuse);
  if (!s.common.quiet) banner(s, series, test);
  if (!s.common.quiet) app::note("run    {}\n", s.output);

  const size_t train_size = series.size() - test;
  Ensemble ensemble = train(s, series, train_size, "training");
  std::vector<std::vector<double>> losses;
  for (const LstmForecaster& m : ensemble.members())
    losses.emplace_back(m.losses().begin(), m.losses().end());
  Intervals intervals = calibrate(s, series, train_size);
  auto forecaster = fit_chosen(s.training, ensemble, std::span(series.values).first(train_size),
                               season_of(series), s.horizon);
  Run run{s,
          std::move(series),
          train_size,
          std::move(ensemble),
          std::move(intervals),
          std::move(losses),
          std::move(forecaster)};
  save(run, directory.path());
  return run;
}

app::ExitCode fit(const FitSettings& settings) {
  FitSettings s = settings;
  if (s.input.is_panel()) return fit_panel(s, false);
  const Run run = fit_run(s);
  const auto most = static_cast<size_t>(s.training.lstm.direct);
  print_table("training part, one step ahead",
              evaluate(run.ensemble, nullptr, run.split(), most).train);
  fmt::print("\nrun {}\n", s.output);
  return app::ExitCode::ok;
}

}  // namespace tapestry::airline
