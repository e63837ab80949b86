#include <fmt/format.h>
#include <tapestry/examples/airline/panel/panel_pictures.h>

#include <algorithm>
#include <cmath>

namespace tapestry::airline {
namespace {

constexpr size_t kShown = 4;  // series on a page

app::Series cumulative(const std::string& name, std::vector<double> values) {
  std::erase_if(values, [](double v) { return std::isnan(v); });
  std::sort(values.begin(), values.end());
  app::Series out{name, {}, {}};
  const size_t stride = values.size() / 1000 + 1;
  for (size_t i = 0; i < values.size(); i += stride) {
    out.x.push_back(std::max(values[i], 0.01));
    out.y.push_back(100 * static_cast<double>(i + 1) / static_cast<double>(values.size()));
  }
  return out;
}

}  // namespace

std::pair<double, double> interval(const PanelRun& run, size_t series, size_t level,
                                   size_t distance, double forecast) {
  const Prepared& p = run.prepared[series];
  const double w = run.intervals.half_width(level, distance) * p.scale;
  if (p.log) return {forecast * std::exp(-w), forecast * std::exp(w)};
  return {forecast - w * p.unit, forecast + w * p.unit};
}

app::Plot page_picture(const PanelRun& run, const PanelMethod& hybrid) {
  const size_t n = run.ids.size(), shown = std::min(n, kShown), horizon = run.hybrid.shape.horizon;
  app::Plot plot{.title = fmt::format("{} of {} series, each in its own unit", shown, n),
                 .x_label = "steps",
                 .y_label = "",
                 .series = {}};
  app::Series actual{"actual", {}, {}}, forecast{"hybrid", {}, {}};
  app::Series band{"80 %", {}, {}, {}, app::Series::Style::band};
  double left = 0;
  for (size_t k = 0; k < shown; ++k) {
    const size_t i = k * n / shown;
    const std::vector<double>& train = run.train[i];
    const size_t past = std::min(train.size(), 2 * horizon);
    std::vector<double> seen(train.end() - static_cast<ptrdiff_t>(past), train.end());
    seen.insert(seen.end(), run.actual[i].begin(), run.actual[i].end());
    const auto [low, high] = std::minmax_element(seen.begin(), seen.end());
    const double bottom = *low, range = std::max(*high - *low, 1e-12);
    const auto scaled = [&](double y) {
      return std::isnan(y) ? y : std::clamp((y - bottom) / range, -0.2, 1.2);
    };
    const auto add = [&](app::Series& to, double step, double y) {
      to.x.push_back(left + static_cast<double>(past) + step);
      to.y.push_back(scaled(y));
    };
    for (size_t t = 0; t < seen.size(); ++t)
      add(actual, static_cast<double>(t + 1) - static_cast<double>(past), seen[t]);
    add(forecast, 0, train.back());
    for (size_t h = 1; h <= horizon; ++h) {
      const double step = static_cast<double>(h), y = hybrid.forecasts[i][h - 1];
      add(forecast, step, y);
      if (!run.intervals.known()) continue;
      const auto [from, to] = interval(run, i, 0, h, y);
      add(band, step, from);
      band.y_high.push_back(scaled(to));
    }
    const double end = static_cast<double>(horizon) + 1;  // a gap to the next one
    for (app::Series* s : {&actual, &forecast}) add(*s, end, std::nan(""));
    if (run.intervals.known()) {
      add(band, end, std::nan(""));
      band.y_high.push_back(std::nan(""));
    }
    plot.labels.push_back({left, 1.1, run.ids[i]});
    plot.markers.push_back({left + static_cast<double>(past), ""});
    left += static_cast<double>(past + horizon) * 1.08;
  }
  plot.series.push_back(std::move(actual));
  if (run.intervals.known()) plot.series.push_back(std::move(band));
  plot.series.push_back(std::move(forecast));
  return plot;
}

app::Plot mase_picture(const PanelScores& hybrid, const PanelScores& naive,
                       const std::string& naive_title) {
  return {.title = fmt::format("MASE of {} series: {:.3f} on average, {} {:.3f}",
                               hybrid.mase.size(), hybrid.mean_mase, naive_title, naive.mean_mase),
          .x_label = "MASE",
          .y_label = "% of series below",
          .series = {cumulative("hybrid", hybrid.mase), cumulative(naive_title, naive.mase)},
          .x_axis = app::Plot::Axis::logarithmic};
}

}  // namespace tapestry::airline
