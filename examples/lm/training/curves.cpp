#include <tapestry/examples/lm/training/curves.h>
#include <tapestry/examples/lm/training/metrics.h>

#include <fmt/format.h>
#include <tapestry/examples/common/text.h>
#include <tapestry/examples/lm/text/text.h>

#include <cmath>
#include <sstream>

namespace tapestry::lm {
Curves read_curves(const std::filesystem::path& run) {
  const std::string path = (run / "metrics.csv").string();
  std::istringstream text(read_text(path));
  std::string line;
  std::getline(text, line);
  Curves out;
  out.sampled = line == app::join(metrics_columns(true), ",");
  require<FormatError>(out.sampled || line == app::join(metrics_columns(false), ","),
                       Place{path + ":1"}, "not the metrics of a run");
  const auto add = [](Curve& curve, const MetricsRow& row, double loss) {
    if (!std::isfinite(loss)) return;
    curve.epochs.push_back(row.epoch);
    curve.tokens.push_back(row.tokens);
    curve.seconds.push_back(row.seconds);
    curve.loss.push_back(loss);
  };
  for (int64_t number = 2; std::getline(text, line); ++number) {
    const auto row = parse_metrics_row(line);
    require<FormatError>(row.has_value(), Place{message_of(path, ":", number)},
                         "not a row of metrics");
    // The training loss of a row that ends an epoch is the mean of the whole epoch.
    const bool end = row->valid_loss || row->epoch == std::floor(row->epoch);
    if (!end) add(out.train, *row, row->train_loss);
    if (row->valid_loss) add(out.valid, *row, *row->valid_loss);
  }
  return out;
}

void add_curves(app::Plot& plot, const Curves& curves, Against against, const std::string& name) {
  const auto add = [&](const Curve& c, const std::string& what, app::Series::Style style) {
    size_t first = 0;
    while (first + 2 < c.loss.size() && c.epochs[first] < 0.1) ++first;
    const std::vector<double>& x = against == Against::tokens ? c.tokens : c.seconds;
    const auto skip = static_cast<std::ptrdiff_t>(first);
    if (c.loss.empty()) return;
    plot.series.push_back({.name = name.empty() ? what : name + ", " + what,
                           .x = {x.begin() + skip, x.end()},
                           .y = {c.loss.begin() + skip, c.loss.end()},
                           .style = style});
  };
  add(curves.train, curves.sampled ? "training, over samples" : "training",
      app::Series::Style::line);
  add(curves.valid, "held out", app::Series::Style::points);
}

app::Plot learning_curve(const TrainSettings& s, const Curves& curves,
                         std::optional<double> floor) {
  const std::string text = s.input.corpus.empty()
                               ? std::filesystem::path(s.input.files[0]).filename().string()
                               : s.input.corpus;
  app::Plot plot{.title = fmt::format("Learning curve: {} {} x {} on {}", s.model.cell,
                                      s.model.layers, s.model.hidden, text),
                 .x_label = "tokens read",
                 .y_label = "loss, nats per token",
                 .series = {}};
  add_curves(plot, curves, Against::tokens);
  if (floor && !plot.series.empty()) {
    const auto& x = plot.series[0].x;
    plot.series.push_back({.name = "floor", .x = {x.front(), x.back()}, .y = {*floor, *floor}});
  }
  return plot;
}

}  // namespace tapestry::lm
