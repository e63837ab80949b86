// airline fit and forecast of many series: one hybrid of smoothing and an LSTM for all.

#include <fmt/format.h>
#include <tapestry/examples/airline/commands.h>
#include <tapestry/examples/airline/panel/panel_actual.h>
#include <tapestry/examples/airline/panel/panel_pictures.h>
#include <tapestry/examples/airline/panel/panel_report.h>
#include <tapestry/examples/airline/series/words.h>
#include <tapestry/examples/common/plot.h>
#include <tapestry/examples/common/progress.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/common/run_directory.h>

#include <algorithm>
#include <ctime>

#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

/// Options that mean nothing here are refused rather than passed over.
void require_for_panels(const FitSettings& s) {
  const LstmSettings defaults, &lstm = s.training.lstm;
  const PreprocessingSettings &p = lstm.preprocessing, &d = defaults.preprocessing;
  const std::pair<const char*, bool> given[] = {
      {"--hidden", lstm.hidden != defaults.hidden},
      {"--layers", lstm.layers != defaults.layers},
      {"--lookback", lstm.lookback != defaults.lookback},
      {"--epochs", lstm.epochs != defaults.epochs},
      {"--lr", lstm.lr != defaults.lr},
      {"--strategy", s.training.direct},
      {"--month-features", lstm.month_features},
      {"--difference", p.difference != d.difference},
      {"--no-seasonal-difference", !p.seasonal_difference},
      {"--season-memory", p.season_memory != d.season_memory},
      {"--scale", p.scale != d.scale}};
  for (const auto& [option, is_given] : given)
    if (is_given)
      throw app::UserError(
          app::ExitCode::usage,
          fmt::format("{}: is of the LSTM for one series; a panel has a network of its own",
                      option));
  if (s.training.model == Model::combination)
    throw app::UserError(app::ExitCode::usage,
                         "--model: combination: is of one series; a panel has hybrid or lstm");
  if (s.input.wide && !s.input.id_column.empty())
    throw app::UserError(app::ExitCode::usage, "--id-column and --wide: expected one of them",
                         "--wide is for files with a row for each series");
}

size_t held_out_of(const FitSettings& s) {
  const auto number = parse_number<uint64_t>(s.test);
  if (!number)
    throw app::UserError(app::ExitCode::usage,
                         fmt::format("--test: \"{}\" is no number of values, which is what a panel "
                                     "needs",
                                     s.test));
  return *number;
}

/// Trains in sight of the user: one network, named by what it is for.
class Trainings {
 public:
  Trainings(const FitSettings& s, int64_t items, size_t trainings)
      : items_(items),
        progress_(static_cast<double>(items) * static_cast<double>(trainings),
                  s.common.progress_settings("batches")) {}

  std::function<void(int64_t, double)> next(const std::string& what) {
    what_ = what;
    base_ = items_ * number_++;
    return [this](int64_t done, double loss) {
      progress_.update(static_cast<double>(base_ + done), [&] {
        return app::Status{what_, {}, "", {fmt::format("loss {:.4f}", loss)}};
      });
    };
  }
  void finish() {
    progress_.finish(static_cast<double>(items_ * number_), {"training", {}, "", {}});
  }

 private:
  int64_t items_, base_ = 0, number_ = 0;
  std::string what_;
  app::Progress progress_;
};

void banner(const PanelRun& run, const Panel& panel) {
  const HybridSettings& h = run.hybrid;
  app::note("data   {}: {} series, {} values, {}; {} held out of each\n", panel.file,
            run.ids.size(), panel.values(), name(panel.frequency()), run.actual.front().size());
  constexpr size_t shown = 10;
  for (size_t i = 0; i < std::min(shown, panel.left_out.size()); ++i)
    app::note("note   left out: {}\n", panel.left_out[i]);
  if (panel.left_out.size() > shown)
    app::note("note   left out: {} more (all: left_out.txt of the run)\n",
              panel.left_out.size() - shown);
  app::note("model  {}, seasons {} and {}, windows of {}, lstm {} x {}, {} ahead\n", run.model(),
            h.shape.season1, h.shape.season2, h.window_size(), h.layers, h.hidden, h.shape.horizon);
  app::note("train  adam lr {:g}, {} series per update, {}, {}\n", h.lr, h.batch,
            counted(static_cast<size_t>(h.epochs), "epoch"),
            seeds_text(h.seed, run.settings.training.runs));
}

void draw(const PanelRun& run, const PanelReport& s, const std::filesystem::path& directory,
          bool quiet) {
  app::draw(page_picture(run, s.methods[0]), directory / "page", "airline", quiet);
  if (!s.scores.empty())
    app::draw(mase_picture(s.scores[0], s.methods[0].title, s.scores[s.reference],
                           s.methods[s.reference].title),
              directory / "mase", "airline", true);
}

app::ExitCode forecast(const PanelRun& run, const std::string& directory, bool json, bool csv,
                       bool quiet) {
  const std::filesystem::path path(directory);
  const PanelReport s = report_of(run, run.settings.training.workers);
  const std::string text = forecast_text(run, s.methods[0]), metrics = json_text(run, s);
  app::write_atomically(path / "forecast.csv", text);
  app::write_atomically(path / "forecast_wide.csv", wide_text(run, s.methods[0]));
  app::write_atomically(path / "metrics.json", metrics);
  draw(run, s, path, quiet);
  if (json || csv) {
    fmt::print("{}", json ? metrics : text);
    return app::ExitCode::ok;
  }
  if (!s.scores.empty()) print_scores(run, s);
  fmt::print("run {}\n", directory);
  return app::ExitCode::ok;
}

}  // namespace

app::ExitCode fit_panel(const FitSettings& settings, bool json) {
  FitSettings s = settings;
  require_for_panels(s);
  const size_t test = held_out_of(s);
  if (s.horizon == 0) s.horizon = test > 0 ? test : 12;
  PanelOptions options{s.input.id_column, s.input.read};
  options.least = least_values({.horizon = s.horizon}) + test;
  options.positive = s.training.lstm.preprocessing.log;
  options.skip_bad = s.input.skip_bad;
  const Panel panel = read_panel(s.input.file, options);
  if (s.output.empty()) s.output = app::create_default_run("airline", std::time(nullptr)).string();
  const app::RunDirectory directory(
      s.output, panel_files(),
      s.overwrite ? app::IfRunExists::overwrite : app::IfRunExists::refuse);
  PanelRun run = cut(panel, s, test);
  if (!s.common.quiet) {
    banner(run, panel);
    app::note("run    {}\n", s.output);
  }
  const Hybrid hybrid(run.prepared, run.hybrid);
  Trainings trainings(s, items(hybrid, s.training.workers), s.training.runs + 1);
  for (size_t i = 0; i < s.training.runs; ++i) {
    HybridSettings h = run.hybrid;
    h.seed += i;
    HybridTraining trained = train(Hybrid(run.prepared, h), s.training.workers,
                                   trainings.next(fmt::format("seed {}", h.seed)));
    run.networks.push_back(std::move(trained.network));
    run.losses.push_back(std::move(trained.losses));
  }
  run.intervals = calibrate(run, s.training.workers, trainings.next("intervals"));
  trainings.finish();
  if (!run.intervals.known() && !s.common.quiet)
    app::note("note   no intervals: the series are too short or too few\n");
  save(run, directory.path());
  if (!panel.left_out.empty())
    app::write_atomically(directory / "left_out.txt",
                          fmt::format("{}\n", fmt::join(panel.left_out, "\n")));
  return forecast(run, s.output, json, false, s.common.quiet);
}

app::ExitCode forecast_panel(const ForecastSettings& s) {
  PanelRun run = open_panel_run(s.run);
  if (s.horizon > run.hybrid.shape.horizon)
    throw app::UserError(app::ExitCode::usage,
                         fmt::format("--horizon: {}: the network of this run forecasts {} values "
                                     "at once and no more",
                                     s.horizon, run.hybrid.shape.horizon),
                         "fit with a longer --horizon");
  if (!s.actual.empty())
    run.actual = read_actual(s.actual, run.settings.input, run.frequency, run.ids, run.times);
  return forecast(run, s.run, s.json, s.csv, s.quiet);
}

app::ExitCode info_panel(const std::string& directory) {
  const PanelRun run = open_panel_run(directory);
  const HybridSettings& h = run.hybrid;
  size_t values = 0;
  for (const auto& y : run.train) values += y.size();
  fmt::print("run            {}\n", directory);
  fmt::print("panel          {}: {} series, {}, {} values to learn from; {} left out\n",
             run.settings.input.file, run.ids.size(), name(run.frequency), values, run.left_out);
  fmt::print("held out       {} of each\n", run.actual.front().size());
  fmt::print("model          {}, seasons {} and {}, windows of {}, lstm {} x {}, {} ahead\n",
             run.model(), h.shape.season1, h.shape.season2, h.window_size(), h.layers, h.hidden,
             h.shape.horizon);
  fmt::print("training       {}, {}, adam lr {:g}, {} series per update\n",
             seeds_text(h.seed, run.settings.training.runs),
             counted(static_cast<size_t>(h.epochs), "epoch"), h.lr, h.batch);
  fmt::print("intervals      {}\n", run.intervals.known() ? Intervals::method : "none");
  return app::ExitCode::ok;
}

app::ExitCode plot_panel(const std::string& directory) {
  const PanelRun run = open_panel_run(directory);
  draw(run, report_of(run, run.settings.training.workers), directory, false);
  for (const char* name : {"page", "mase"})
    app::print_files(std::filesystem::path(directory) / name);
  return app::ExitCode::ok;
}

}  // namespace tapestry::airline
