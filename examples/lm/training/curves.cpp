#include <tapestry/examples/lm/training/curves.h>

#include <fmt/format.h>
#include <tapestry/examples/lm/text/text.h>

#include <charconv>
#include <sstream>

namespace tapestry::lm {
namespace {

/// The fields of a line of numbers; an empty one is NaN.
std::optional<std::vector<double>> numbers(const std::string& line) {
  std::vector<double> out;
  std::istringstream fields(line + ",");
  for (std::string field; std::getline(fields, field, ',');) {
    double x = std::numeric_limits<double>::quiet_NaN();
    const char* end = field.data() + field.size();
    if (!field.empty() && std::from_chars(field.data(), end, x).ptr != end) return {};
    out.push_back(x);
  }
  return out;
}

}  // namespace

Curves read_curves(const std::filesystem::path& run) {
  constexpr size_t kColumns = 8;
  const std::string path = (run / "metrics.csv").string();
  std::istringstream text(read_text(path));
  std::string line;
  std::getline(text, line);
  require<FormatError>(line.starts_with("epoch,step,tokens,seconds,train_loss,valid_loss,"), path,
                       ":1: not the metrics of a run");
  Curves out;
  for (int64_t number = 2; std::getline(text, line); ++number) {
    const auto row = numbers(line);
    require<FormatError>(row && row->size() == kColumns, path, ":", number,
                         ": not a row of metrics");
    const auto add = [&](Curve& curve, double loss) {
      if (!std::isfinite(loss)) return;
      curve.epochs.push_back((*row)[0]);
      curve.tokens.push_back((*row)[2]);
      curve.seconds.push_back((*row)[3]);
      curve.loss.push_back(loss);
    };
    // A row with a held-out loss ends an epoch, and its training loss is the mean of the epoch.
    const bool end = std::isfinite((*row)[5]);
    if (!end) add(out.train, (*row)[4]);
    add(out.valid, (*row)[5]);
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
  add(curves.train, "training", app::Series::Style::line);
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
