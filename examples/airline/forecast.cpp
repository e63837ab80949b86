// airline: trains on all but the last values, forecasts these, and says how far it was off.

#include <fmt/format.h>
#include <tapestry/examples/airline/commands.h>
#include <tapestry/examples/airline/metrics.h>
#include <tapestry/examples/common/plot.h>
#include <tapestry/examples/common/progress.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/common/run_directory.h>
#include <tapestry/nn/checkpoint.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>

namespace tapestry::airline {
namespace {

using Json = nlohmann::ordered_json;

/// A series cut in two: what is learnt from, and what is held out.
struct Split {
  const Series& series;
  size_t train_size;

  std::span<const double> train() const { return std::span(series.values).first(train_size); }
  std::span<const double> test() const { return std::span(series.values).subspan(train_size); }
  const std::string& origin() const { return series.time[train_size - 1]; }
};

/// A method and how far its forecasts of the held-out part, all made at the origin, were off.
struct Row {
  std::string name, title;
  Scores scores;
};

Series read(const ForecastSettings& s) {
  Series series = s.file.empty() ? airline_passengers() : read_series(s.file, s.input);
  const size_t season = season_length(series.frequency);
  require_length(series, LstmForecaster::minimum(season, s.lstm) + s.test,
                 fmt::format("{} to grow from, {} to look back, {} to learn from, {} held out: "
                             "see --test and --lookback",
                             season, s.lstm.lookback, std::max<size_t>(season, 2), s.test));
  if (s.lstm.log) require_positive(series);
  return series;
}

/// The network and the forecasts it has to beat.
std::vector<Row> score_all(const Split& split, std::span<const double> lstm_forecast,
                           size_t season) {
  const auto row = [&](const char* name, const char* title, std::span<const double> forecast) {
    return Row{name, title, score(split.test(), forecast, split.train(), season)};
  };
  std::vector<Row> rows = {row("lstm", "LSTM", lstm_forecast)};
  for (const Baseline& b : baselines().first(3))  // the rest have a model of their own
    rows.push_back(
        row(b.name, b.title, b.fit(split.train(), season)->forecast(split.test().size())));
  return rows;
}

Json json_of(const std::vector<Row>& rows) {
  Json out;  // what is not finite becomes null
  for (const auto& [name, title, scores] : rows)
    out[name] = {
        {"rmse", scores.rmse}, {"mae", scores.mae}, {"smape", scores.smape}, {"mase", scores.mase}};
  return out;
}

std::string config_text(const ForecastSettings& s, const Split& split, const SeasonalGrowth& g) {
  const Series& series = split.series;
  const Json config = {{"input",
                        {{"file", series.file},
                         {"column", series.name},
                         {"frequency", name(series.frequency)},
                         {"values", series.size()},
                         {"test", s.test}}},
                       {"preprocessing",
                        {{"log", g.log()},
                         {"seasonal_difference", g.season()},
                         {"mean", g.mean()},
                         {"deviation", g.deviation()}}},
                       {"model", {{"lookback", s.lstm.lookback}, {"hidden", s.lstm.hidden}}},
                       {"training",
                        {{"optimizer", "adam"},
                         {"batch", s.lstm.batch},
                         {"lr", s.lstm.lr},
                         {"epochs", s.lstm.epochs},
                         {"seed", s.lstm.seed}}}};
  return config.dump(2) + "\n";
}

/// time,split,actual,forecast; one step ahead in the training part, empty where there is none yet.
std::string csv_of(const Split& split, std::span<const double> forecasts) {
  std::string out = "time,split,actual,forecast\n";
  for (size_t t = 0; t < split.series.size(); ++t)
    out += fmt::format("{},{},{},{}\n", split.series.time[t],
                       t < split.train_size ? "train" : "test", split.series.values[t],
                       std::isnan(forecasts[t]) ? "" : fmt::format("{}", forecasts[t]));
  return out;
}

app::Plot picture(const Split& split, std::span<const double> forecasts) {
  const Series& series = split.series;
  const bool months = series.frequency == Frequency::monthly;
  const auto x = [&](size_t t) {
    return months ? app::month_number(series.time[t]) : static_cast<double>(t + 1);
  };
  enum { kActual, kFitted, kForecast };
  std::vector<app::Series> curves(3);
  const auto add = [&](size_t curve, size_t t, double y) {
    curves[curve].x.push_back(x(t));
    curves[curve].y.push_back(y);
  };
  for (size_t t = 0; t < series.size(); ++t) {
    add(kActual, t, series.values[t]);
    if (!std::isnan(forecasts[t])) add(t < split.train_size ? kFitted : kForecast, t, forecasts[t]);
    if (t + 1 == split.train_size) add(kForecast, t, series.values[t]);  // where it sets out
  }
  curves[kActual].name = "actual";
  curves[kFitted].name = "fitted, one step ahead";
  curves[kForecast].name = "forecast";
  const char* period = period_name(series.frequency);
  return {.title = fmt::format("{}: the last {} {}s as forecast at {}", series.name,
                               split.test().size(), period, split.origin()),
          .x_label = period,
          .y_label = series.name,
          .series = std::move(curves),
          .markers = {{x(split.train_size - 1), "forecast made here"}},
          .x_axis = months ? app::Plot::Axis::month : app::Plot::Axis::number};
}

void banner(const ForecastSettings& s, const Split& split, int64_t parameters) {
  const Series& series = split.series;
  fmt::print(stderr, "data   {}, {}: {} {}s, {} to {}; {} to learn from, {} held out\n",
             series.file, series.name, series.size(), period_name(series.frequency),
             series.time.front(), series.time.back(), split.train_size, s.test);
  for (const std::string& note : series.notes) fmt::print(stderr, "note   {}\n", note);
  fmt::print(stderr, "model  lstm 1 x {}, {} values at once, {} parameters, double\n",
             s.lstm.hidden, s.lstm.lookback, parameters);
  fmt::print(stderr, "train  adam lr {:g}, {} windows per update, {} epochs, seed {}\n", s.lstm.lr,
             s.lstm.batch, s.lstm.epochs, s.lstm.seed);
  fmt::print(stderr, "run    {}\n", s.output);
}

/// The network, trained in sight of the user.
LstmForecaster fit(const ForecastSettings& s, const Split& split, size_t season) {
  const auto windows =
      static_cast<double>(split.train_size - season) - static_cast<double>(s.lstm.lookback);
  const double total = windows * static_cast<double>(s.lstm.epochs);
  app::Progress progress(total, s.common.progress_settings("windows"));
  app::Status status;
  LstmForecaster model(split.train(), season, s.lstm, [&](int64_t epoch, double loss) {
    status.prefix = fmt::format("epoch {}/{}", epoch, s.lstm.epochs);
    status.fields = {fmt::format("loss {:.4f}", loss)};
    progress.update(windows * static_cast<double>(epoch), [&] { return status; });
  });
  progress.finish(total, status);
  return model;
}

/// Three digits of the largest number, and as many decimals for the others.
int decimals(double largest) {
  if (!(largest > 0) || !std::isfinite(largest)) return 1;
  return std::clamp(3 - static_cast<int>(std::ceil(std::log10(largest))), 1, 9);
}

void print_table(const Split& split, const std::vector<Row>& rows) {
  double largest = 0;
  for (const Row& row : rows) largest = std::max(largest, row.scores.rmse);
  const int digits = decimals(largest);
  const auto number = [](double x, int places) {
    return std::isnan(x) ? "n/a" : fmt::format("{:.{}f}", x, places);
  };
  fmt::print("{}, {} to {}, all forecast at {}\n\n{:<20}{:>12}{:>12}{:>9}{:>8}\n",
             split.series.name, split.series.time[split.train_size], split.series.time.back(),
             split.origin(), "", "RMSE", "MAE", "sMAPE", "MASE");
  for (const auto& [name, title, scores] : rows)
    fmt::print("{:<20}{:>12}{:>12}{:>8}%{:>8}\n", title, number(scores.rmse, digits),
               number(scores.mae, digits), number(scores.smape, 1), number(scores.mase, 2));
}

}  // namespace

app::ExitCode forecast(const ForecastSettings& settings) {
  ForecastSettings s = settings;
  const Series series = read(s);
  const Split split{series, series.size() - s.test};
  const size_t season = season_length(series.frequency);
  if (s.output.empty()) s.output = app::create_default_run("airline", std::time(nullptr)).string();
  const app::RunDirectory directory(
      s.output, {"config.json", "model.safetensors", "forecast.csv", "metrics.json", "plot.*"},
      s.overwrite ? app::IfRunExists::overwrite : app::IfRunExists::refuse);
  if (!s.common.quiet) {
    Rng rng(0);
    banner(s, split, count(Network(s.lstm.lookback, s.lstm.hidden, rng)));
  }

  const LstmForecaster model = fit(s, split, season);
  const std::vector<double> test = model.forecast(s.test);
  std::vector<double> forecasts(model.fitted().begin(), model.fitted().end());
  forecasts.insert(forecasts.end(), test.begin(), test.end());
  const std::vector<Row> rows = score_all(split, test, season);

  app::write_atomically(directory / "config.json", config_text(s, split, model.preprocessing()));
  save(model.network(), directory / "model.safetensors");
  app::write_atomically(directory / "forecast.csv", csv_of(split, forecasts));
  app::write_atomically(directory / "metrics.json", json_of(rows).dump(2) + "\n");
  app::draw(picture(split, forecasts), directory / "plot", "airline", s.common.quiet);

  if (s.json) {
    fmt::print("{}\n", json_of(rows).dump(2));
    return app::ExitCode::ok;
  }
  print_table(split, rows);
  fmt::print("\nrun {}\n", s.output);
  return app::ExitCode::ok;
}

}  // namespace tapestry::airline
