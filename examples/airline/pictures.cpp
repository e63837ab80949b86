#include <fmt/format.h>
#include <tapestry/examples/airline/pictures.h>

#include <algorithm>
#include <cmath>

#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

using Style = app::Series::Style;

constexpr size_t kMostPoints = 2000;  // of a curve: more than there are pixels

/// The lowest and the highest of each few neighbouring points, so that a long curve keeps its
/// shape; of a band, every so many points.
app::Series thinned(const app::Series& full) {
  const size_t n = full.x.size();
  if (n <= kMostPoints) return full;
  const bool band = full.style == Style::band;
  const size_t stride = (n + kMostPoints - 1) / kMostPoints * (band ? 1 : 2);
  app::Series out{full.name, {}, {}, {}, full.style, full.shade};
  const auto keep = [&](size_t i) {
    out.x.push_back(full.x[i]);
    out.y.push_back(full.y[i]);
    if (band) out.y_high.push_back(full.y_high[i]);
  };
  for (size_t first = 0; first < n; first += stride) {
    const auto begin = full.y.begin() + static_cast<ptrdiff_t>(first);
    const auto end = full.y.begin() + static_cast<ptrdiff_t>(std::min(n, first + stride));
    const auto [low, high] = std::minmax_element(begin, end);
    const size_t a = static_cast<size_t>(std::min(low, high) - full.y.begin());
    const size_t b = static_cast<size_t>(std::max(low, high) - full.y.begin());
    keep(band ? first : a);
    if (!band && b != a) keep(b);
  }
  if (out.x.back() != full.x.back()) keep(n - 1);
  return out;
}

class Curves {
 public:
  Curves(const Run& run, const Timeline& line) : run_(run), line_(line) {}

  /// values[t] at the times first .. last - 1 where it is finite.
  app::Series curve(const std::string& name, const std::vector<double>& values, size_t first,
                    size_t last, Style style = Style::line) const {
    app::Series out{name, {}, {}, {}, style};
    for (size_t t = first; t < last; ++t) {
      if (std::isnan(values[t])) continue;
      out.x.push_back(x_of(run_.series, line_.time, t));
      out.y.push_back(values[t]);
    }
    return style == Style::band ? out : thinned(out);
  }

  app::Series band(size_t level) const {
    const std::vector<double>&low = line_.low[level], &high = line_.high[level];
    app::Series out =
        curve(fmt::format("{} %", Intervals::levels[level]), low, 0, low.size(), Style::band);
    for (const double y : high)
      if (!std::isnan(y)) out.y_high.push_back(y);
    out.shade = level == 0 ? 0.4 : 0.2;  // within 80 % darker than within 95 %
    return thinned(out);
  }

 private:
  const Run& run_;
  const Timeline& line_;
};

/// "ARIMA(0,1,1) on logs" -> "ARIMA"
std::string short_title(const std::string& title) {
  return title.substr(0, std::min(title.find('('), title.find(" (")));
}

/// From the last training value on, so that the line joins the actual one.
std::vector<double> joined(const Timeline& line, std::span<const double> forecast) {
  std::vector<double> out(line.size(), std::nan(""));
  out[line.train_size - 1] = line.actual[line.train_size - 1];
  for (size_t h = 0; h < forecast.size(); ++h) out[line.train_size + h] = forecast[h];
  return out;
}

}  // namespace

double x_of(const Series& series, const std::vector<std::string>& time, size_t t) {
  return axis_of(series) == app::Plot::Axis::month ? app::month_number(time[t])
                                                   : static_cast<double>(t + 1);
}

app::Plot::Axis axis_of(const Series& series) {
  return series.frequency == Frequency::monthly ? app::Plot::Axis::month : app::Plot::Axis::number;
}

app::Plot forecast_picture(const Run& run, const Timeline& line) {
  const Curves curves(run, line);
  const size_t split = run.train_size, horizon = line.size() - split;
  // All of a long past would leave no room for what matters.
  const size_t first = split - std::min(split, std::max(3 * horizon, 4 * season_of(run.series)));
  app::Plot plot{.title = fmt::format("{}: {} {}s as forecast at {}", run.series.name, horizon,
                                      period_name(run.series.frequency), line.time[split - 1]),
                 .x_label = period_name(run.series.frequency),
                 .y_label = run.series.name,
                 .series = {},
                 .markers = {{x_of(run.series, line.time, split - 1), "forecast made here"}},
                 .x_axis = axis_of(run.series)};
  plot.series.push_back(curves.curve("actual", line.actual, first, line.size()));
  if (run.intervals.known())
    for (const size_t level : {1, 0}) plot.series.push_back(curves.band(level));
  const std::span<const double> forecast(line.forecast);
  plot.series.push_back(curves.curve(title(run.settings.training.model.value_or(Model::lstm)),
                                     joined(line, forecast.subspan(split)), split - 1,
                                     line.size()));
  plot.series.push_back(curves.curve("fitted", line.forecast, first, split));
  for (const Baseline& b : baselines(season_of(run.series))) {
    const std::string name = b.name;
    if (name != "seasonal_naive" && !name.starts_with("holt") && name != "arima") continue;
    try {
      const std::vector<double> path =
          checked_forecast(b, run.split().train(), season_of(run.series), horizon);
      plot.series.push_back(
          curves.curve(short_title(b.title), joined(line, path), split - 1, line.size()));
    } catch (const Error&) {  // the tables say why
    }
  }
  return plot;
}

app::Plot residual_picture(const Run& run, const Timeline& line) {
  std::vector<double> residual(line.size());
  for (size_t t = 0; t < line.size(); ++t) residual[t] = line.actual[t] - line.forecast[t];
  const Curves curves(run, line);
  app::Plot plot{
      .title = fmt::format("{}: actual - {}", run.series.name,
                           title(run.settings.training.model.value_or(Model::lstm))),
      .x_label = period_name(run.series.frequency),
      .y_label = "residual",
      .series = {curves.curve("one step ahead, training part", residual, 0, run.train_size)},
      .markers = {{x_of(run.series, line.time, run.train_size - 1), "forecast made here"}},
      .x_axis = axis_of(run.series)};
  if (run.train_size < run.series.size())
    plot.series.push_back(
        curves.curve("held out, all forecast at once", residual, run.train_size, line.size()));
  return plot;
}

app::Plot loss_picture(const Run& run) {
  app::Plot plot{
      .title = "training loss", .x_label = "epoch", .y_label = "Huber loss", .series = {}};
  constexpr size_t most = 7;  // as many as there are colours
  if (run.losses.size() > most)
    plot.title += fmt::format(", the first {} of {} seeds", most, run.losses.size());
  for (size_t i = 0; i < std::min(run.losses.size(), most); ++i) {
    app::Series curve{fmt::format("seed {}", run.settings.training.lstm.seed + i), {}, {}};
    for (size_t e = 0; e < run.losses[i].size(); ++e) {
      curve.x.push_back(static_cast<double>(e + 1));
      curve.y.push_back(run.losses[i][e]);
    }
    plot.series.push_back(std::move(curve));
  }
  return plot;
}

void draw(const Run& run, const Timeline& line, const std::filesystem::path& directory,
          bool quiet) {
  app::draw(forecast_picture(run, line), directory / "plot", "airline", quiet);
  app::draw(residual_picture(run, line), directory / "residuals", "airline", true);
  app::draw(loss_picture(run), directory / "loss", "airline", true);
}

}  // namespace tapestry::airline
