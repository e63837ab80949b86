// airline fit and forecast of many series: one hybrid of smoothing and an LSTM for all.

#include <fmt/format.h>
#include <tapestry/examples/airline/commands.h>
#include <tapestry/examples/airline/panel/panel_pictures.h>
#include <tapestry/examples/airline/series/words.h>
#include <tapestry/examples/common/json.h>
#include <tapestry/examples/common/progress.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/common/run_directory.h>

#include <cmath>
#include <ctime>
#include <map>

#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

using app::Json;

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
      {"--scale", p.scale != d.scale},
      {"--model", s.training.model == Model::combination}};
  for (const auto& [option, is_given] : given)
    if (is_given)
      throw app::UserError(
          app::ExitCode::usage,
          fmt::format("{}: is of the LSTM for one series; a panel has the hybrid", option));
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
  for (const std::string& why : panel.left_out) app::note("note   left out: {}\n", why);
  app::note("model  hybrid, seasons {} and {}, windows of {}, lstm {} x {}, {} ahead\n",
            h.shape.season1, h.shape.season2, h.window_size(), h.layers, h.hidden, h.shape.horizon);
  app::note("train  adam lr {:g}, {} series per update, {}, {}\n", h.lr, h.batch,
            counted(static_cast<size_t>(h.epochs), "epoch"),
            seeds_text(h.seed, run.settings.training.runs));
}

/// Shares of the known values within the intervals, by level; empty where nothing is known.
std::vector<double> coverage(const PanelRun& run, const PanelMethod& hybrid) {
  std::vector<double> out;
  for (size_t level = 0; run.intervals.known() && level < Intervals::levels.size(); ++level) {
    double covered = 0, all = 0;
    for (size_t i = 0; i < run.actual.size(); ++i)
      for (size_t h = 0; h < run.actual[i].size(); ++h, ++all) {
        const auto [low, high] = interval(run, i, level, h + 1, hybrid.forecasts[i][h]);
        covered += low <= run.actual[i][h] && run.actual[i][h] <= high;
      }
    if (all > 0) out.push_back(covered / all);
  }
  return out;
}

std::string forecast_text(const PanelRun& run, const PanelMethod& hybrid) {
  std::string out = "id,time,split,actual,forecast,lo80,hi80,lo95,hi95\n";
  for (size_t i = 0; i < run.ids.size(); ++i)
    for (size_t h = 0; h < run.hybrid.shape.horizon; ++h) {
      const bool known = h < run.actual[i].size();
      const double forecast = hybrid.forecasts[i][h];
      out += fmt::format("{},{},{},{},{}", csv_field(run.ids[i]), csv_field(run.times[i][h]),
                         known ? "test" : "future",
                         known ? fmt::format("{}", run.actual[i][h]) : "", forecast);
      for (size_t level = 0; level < Intervals::levels.size(); ++level) {
        if (!run.intervals.known()) {
          out += ",,";
          continue;
        }
        const auto [low, high] = interval(run, i, level, h + 1, forecast);
        out += fmt::format(",{},{}", low, high);
      }
      out += '\n';
    }
  return out;
}

/// id,forecast,forecast,...
std::string wide_text(const PanelRun& run, const PanelMethod& hybrid) {
  std::string out;
  for (size_t i = 0; i < run.ids.size(); ++i) {
    out += csv_field(run.ids[i]);
    for (const double y : hybrid.forecasts[i]) out += fmt::format(",{}", y);
    out += '\n';
  }
  return out;
}

struct Scored {
  std::vector<PanelMethod> methods;  // the hybrid first
  std::vector<PanelScores> scores;   // empty where nothing is known
  size_t naive2 = 0, reference = 0;  // of the methods: naive 2, and seasonal naive or naive
  std::vector<double> covered;
};

Scored scored(const PanelRun& run, int64_t workers) {
  Scored out;
  out.methods.push_back(
      {"hybrid", "hybrid", forecast_all(Hybrid(run.prepared, run.hybrid), run.networks, workers)});
  if (run.actual.front().empty()) return out;
  for (PanelMethod& m : panel_baselines(run.train, run.season, run.hybrid.shape.horizon, workers))
    out.methods.push_back(std::move(m));
  for (size_t i = 0; i < out.methods.size(); ++i) {
    out.scores.push_back(score(out.methods[i], run.train, run.actual, run.season));
    if (out.methods[i].name == "naive2") out.naive2 = i;
    if (out.methods[i].name == (run.season > 1 ? "seasonal_naive" : "naive")) out.reference = i;
  }
  out.covered = coverage(run, out.methods[0]);
  return out;
}

std::string json_of(const PanelRun& run, const Scored& s) {
  Json out;
  for (size_t m = 0; m < s.scores.size(); ++m) {
    Json& method = out[s.methods[m].name];
    method["smape"] = s.scores[m].mean_smape;
    method["mase"] = s.scores[m].mean_mase;
    method["owa"] = owa(s.scores[m], s.scores[s.naive2]);
  }
  out["intervals"] = Json::object();
  for (size_t i = 0; i < s.covered.size(); ++i)
    out["intervals"]["coverage_" + std::to_string(Intervals::levels[i])] = s.covered[i];
  out["series"] = Json::object();
  for (size_t i = 0; !s.scores.empty() && i < run.ids.size(); ++i) {
    Json one;
    one["smape"] = s.scores[0].smape[i];
    one["mase"] = s.scores[0].mase[i];
    out["series"][run.ids[i]] = std::move(one);
  }
  return out.dump(2) + "\n";
}

void print_scores(const PanelRun& run, const Scored& s) {
  fmt::print("{} series, {} ahead\n{:<24}{:>10}{:>8}{:>8}\n", run.ids.size(),
             run.actual.front().size(), "", "sMAPE", "MASE", "OWA");
  for (size_t m = 0; m < s.scores.size(); ++m)
    fmt::print("{:<24}{:>9.3f}%{:>8.3f}{:>8.3f}\n", s.methods[m].title, s.scores[m].mean_smape,
               s.scores[m].mean_mase, owa(s.scores[m], s.scores[s.naive2]));
  for (size_t i = 0; i < s.covered.size(); ++i)
    fmt::print("{}{} % intervals cover {:.1f} %", i ? ", " : "", Intervals::levels[i],
               100 * s.covered[i]);
  if (!s.covered.empty()) fmt::print("\n");
}

app::ExitCode forecast(const PanelRun& run, const std::string& directory, bool json, bool csv,
                       bool quiet) {
  const std::filesystem::path path(directory);
  const Scored s = scored(run, run.settings.training.workers);
  const std::string text = forecast_text(run, s.methods[0]), metrics = json_of(run, s);
  app::write_atomically(path / "forecast.csv", text);
  app::write_atomically(path / "forecast_wide.csv", wide_text(run, s.methods[0]));
  app::write_atomically(path / "metrics.json", metrics);
  app::draw(page_picture(run, s.methods[0]), path / "page", "airline", quiet);
  if (!s.scores.empty())
    app::draw(mase_picture(s.scores[0], s.scores[s.reference], s.methods[s.reference].title),
              path / "mase", "airline", true);
  if (json || csv) {
    fmt::print("{}", json ? metrics : text);
    return app::ExitCode::ok;
  }
  if (!s.scores.empty()) print_scores(run, s);
  fmt::print("run {}\n", directory);
  return app::ExitCode::ok;
}

/// What followed, from a file of the wide form.
void read_actual(PanelRun& run, const std::string& file) {
  PanelOptions options;
  options.least = 1;
  options.positive = false;
  const Panel panel = read_panel(file, options);
  std::map<std::string, const Series*> by_id;
  for (size_t i = 0; i < panel.ids.size(); ++i) by_id[panel.ids[i]] = &panel.series[i];
  for (size_t i = 0; i < run.ids.size(); ++i) {
    const auto found = by_id.find(run.ids[i]);
    require<FormatError>(found != by_id.end(), file, ": no series ", run.ids[i]);
    const size_t n = std::min(found->second->size(), run.hybrid.shape.horizon);
    run.actual[i].assign(found->second->values.begin(),
                         found->second->values.begin() + static_cast<ptrdiff_t>(n));
  }
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
  if (!s.actual.empty()) read_actual(run, s.actual);
  return forecast(run, s.run, s.json, s.csv, s.quiet);
}

}  // namespace tapestry::airline
