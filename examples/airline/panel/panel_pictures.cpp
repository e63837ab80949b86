#include <fmt/format.h>
#include <tapestry/examples/airline/panel/panel_pictures.h>

#include <algorithm>
#include <cmath>

namespace tapestry::airline {
namespace {

constexpr size_t kShown = 12;  // series on a page

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
  const double w =
      run.intervals.half_width(level, distance) * spread(p, run.hybrid.shape, p.x.size());
  if (p.log) return {forecast * std::exp(-w), forecast * std::exp(w)};
  return {forecast - w * p.unit, forecast + w * p.unit};
}

app::Plot page_picture(const PanelRun& run, const PanelMethod& method) {
  const size_t n = run.ids.size(), shown = std::min(n, kShown), horizon = run.hybrid.shape.horizon;
  app::Plot plot{
      .title = fmt::format("{} of {} series, and their forecasts from step 0 on", shown, n),
      .x_label = "step",
      .y_label = "",
      .series = {},
      .markers = {{0, ""}}};
  for (size_t k = 0; k < shown; ++k) {
    const size_t i = k * n / shown;
    const std::vector<double>&train = run.train[i], &actual = run.actual[i];
    const size_t past = std::min(train.size(), 2 * horizon);
    app::Series seen{"actual", {}, {}}, forecast{method.title, {}, {}};
    app::Series band{"80 %", {}, {}, {}, app::Series::Style::band};
    for (app::Series* s : {&seen, &forecast, &band}) s->panel = k;
    const auto add = [](app::Series& to, double step, double y) {
      to.x.push_back(step);
      to.y.push_back(y);
    };
    for (size_t t = 0; t < past; ++t)
      add(seen, static_cast<double>(t + 1) - static_cast<double>(past),
          train[train.size() - past + t]);
    add(forecast, 0, train.back());
    for (size_t h = 1; h <= horizon; ++h) {
      const double step = static_cast<double>(h), y = method.forecasts[i][h - 1];
      if (h <= actual.size()) add(seen, step, actual[h - 1]);
      add(forecast, step, y);
      if (!run.intervals.known()) continue;
      const auto [low, high] = interval(run, i, 0, h, y);
      add(band, step, low);
      band.y_high.push_back(high);
    }
    plot.panels.push_back(run.ids[i]);
    plot.series.push_back(std::move(seen));
    if (run.intervals.known()) plot.series.push_back(std::move(band));
    plot.series.push_back(std::move(forecast));
  }
  return plot;
}

app::Plot mase_picture(const PanelScores& own, const std::string& own_title,
                       const PanelScores& naive, const std::string& naive_title) {
  return {.title = fmt::format("MASE of {} series: {:.3f} on average, {} {:.3f}", own.mase.size(),
                               own.mean_mase, naive_title, naive.mean_mase),
          .x_label = "MASE",
          .y_label = "% of series below",
          .series = {cumulative(own_title, own.mase), cumulative(naive_title, naive.mase)},
          .x_axis = app::Plot::Axis::logarithmic};
}

}  // namespace tapestry::airline
