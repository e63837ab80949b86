#include <fmt/format.h>
#include <tapestry/examples/airline/panel/panel_pictures.h>
#include <tapestry/examples/airline/panel/panel_report.h>
#include <tapestry/examples/common/csv.h>
#include <tapestry/examples/common/json.h>

namespace tapestry::airline {
namespace {

using app::Json;

/// Shares of the known values within the intervals, by level; empty where nothing is known.
std::vector<double> coverage(const PanelRun& run, const PanelMethod& method) {
  std::vector<double> out;
  for (size_t level = 0; run.intervals.known() && level < Intervals::levels.size(); ++level) {
    double covered = 0, all = 0;
    for (size_t i = 0; i < run.actual.size(); ++i)
      for (size_t h = 0; h < run.actual[i].size(); ++h, ++all) {
        const auto [low, high] = interval(run, i, level, h + 1, method.forecasts[i][h]);
        covered += low <= run.actual[i][h] && run.actual[i][h] <= high;
      }
    if (all > 0) out.push_back(covered / all);
  }
  return out;
}

}  // namespace

std::string forecast_text(const PanelRun& run, const PanelMethod& method) {
  std::string out = "id,time,split,actual,forecast,lo80,hi80,lo95,hi95\n";
  for (size_t i = 0; i < run.ids.size(); ++i)
    for (size_t h = 0; h < run.hybrid.shape.horizon; ++h) {
      const bool known = h < run.actual[i].size();
      const double forecast = method.forecasts[i][h];
      out += fmt::format("{},{},{},{},{}", app::csv_field(run.ids[i]),
                         app::csv_field(run.times[i][h]), known ? "test" : "future",
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

std::string wide_text(const PanelRun& run, const PanelMethod& method) {
  std::string out;
  for (size_t i = 0; i < run.ids.size(); ++i) {
    out += app::csv_field(run.ids[i]);
    for (const double y : method.forecasts[i]) out += fmt::format(",{}", y);
    out += '\n';
  }
  return out;
}

PanelReport report_of(const PanelRun& run, int64_t workers) {
  PanelReport out;
  out.methods.push_back({run.model(), run.model(),
                         forecast_all(Hybrid(run.prepared, run.hybrid), run.networks, workers)});
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

std::string json_text(const PanelRun& run, const PanelReport& s) {
  Json out;
  out["left_out"] = run.left_out;
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

void print_scores(const PanelRun& run, const PanelReport& s) {
  fmt::print("{} series{}, {} ahead\n{:<24}{:>10}{:>8}{:>8}\n", run.ids.size(),
             run.left_out > 0 ? fmt::format(" ({} left out)", run.left_out) : "",
             run.actual.front().size(), "", "sMAPE", "MASE", "OWA");
  for (size_t m = 0; m < s.scores.size(); ++m)
    fmt::print("{:<24}{:>9.3f}%{:>8.3f}{:>8.3f}\n", s.methods[m].title, s.scores[m].mean_smape,
               s.scores[m].mean_mase, owa(s.scores[m], s.scores[s.naive2]));
  for (size_t i = 0; i < s.covered.size(); ++i)
    fmt::print("{}{} % intervals cover {:.1f} %", i ? ", " : "", Intervals::levels[i],
               100 * s.covered[i]);
  if (!s.covered.empty()) fmt::print("\n");
}

}  // namespace tapestry::airline
