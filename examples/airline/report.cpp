#include <fmt/format.h>
#include <tapestry/examples/airline/report.h>
#include <tapestry/examples/common/json.h>

#include <algorithm>
#include <cmath>

namespace tapestry::airline {
namespace {

using app::Json;

std::string text(double x, int places) {
  return std::isnan(x) ? "n/a" : fmt::format("{:.{}f}", x, places);
}

std::string percent(double x, int places) {
  return std::isnan(x) ? "n/a" : fmt::format("{:.{}f}%", x, places);
}

/// In at most `width` characters.
std::string shortened(const std::string& text, size_t width) {
  return text.size() <= width ? text : text.substr(0, width - 3) + "...";
}

Json json_of(std::span<const Row> rows) {
  Json out = Json::object();
  for (const Row& row : rows) {
    Json& method = out[row.name];
    if (!row.scores) {
      method["problem"] = row.problem;
      continue;
    }
    method["rmse"] = row.scores->rmse;
    method["mae"] = row.scores->mae;
    method["smape"] = row.scores->smape;
    method["mape"] = row.scores->mape;
    method["mase"] = row.scores->mase;
    if (row.name == "lstm") method["rmse_sd"] = row.rmse_sd;
  }
  return out;
}

}  // namespace

int decimals(double largest) {
  if (!(largest > 0) || !std::isfinite(largest)) return 1;
  return std::clamp(3 - static_cast<int>(std::ceil(std::log10(largest))), 1, 9);
}

void print_table(const std::string& heading, std::span<const Row> rows) {
  double largest = 0;
  for (const Row& row : rows)
    if (row.scores) largest = std::max(largest, row.scores->rmse);
  const int digits = decimals(largest);
  fmt::print("{}\n{:<29}{:>9}{:>8}{:>8}{:>8}{:>6}{:>11}\n", heading, "", "RMSE", "MAE", "sMAPE",
             "MAPE", "MASE", "LSTM saves");
  const double lstm = rows[0].scores->rmse;
  for (const Row& row : rows) {
    if (!row.scores) {
      fmt::print("{:<29}{:>9}  {}\n", row.title, "none", shortened(row.problem, 79 - 40));
      continue;
    }
    const Scores& s = *row.scores;
    const bool own = row.name.starts_with("lstm");
    fmt::print("{:<29}{:>9}{:>8}{:>8}{:>8}{:>6}{:>11}\n", row.title, text(s.rmse, digits),
               text(s.mae, digits), percent(s.smape, 1), percent(s.mape, 1), text(s.mase, 2),
               own ? "" : percent(100 * skill(lstm, s.rmse), 0));
  }
  for (const Row& row : rows)
    if (row.problem.size() > 79 - 40) fmt::print("  {}\n", row.problem);
  const std::string better = better_classic(rows);
  if (!better.empty()) fmt::print("{}.\n", better);
}

void print_distances(std::span<const DistanceRow> rows) {
  const size_t horizon = rows[0].rmse.size();
  std::vector<size_t> shown;  // 1, and the quarters of the horizon
  for (const size_t h : {size_t{1}, horizon / 4, horizon / 2, 3 * horizon / 4, horizon})
    if (h > 0 && (shown.empty() || h > shown.back())) shown.push_back(h);
  fmt::print("{:<29}", "RMSE at distance");
  for (const size_t h : shown) fmt::print("{:>10}", h);
  double largest = 0;
  for (const DistanceRow& row : rows)
    largest = std::max(largest, *std::max_element(row.rmse.begin(), row.rmse.end()));
  for (const DistanceRow& row : rows) {
    fmt::print("\n{:<29}", row.title);
    for (const size_t h : shown) fmt::print("{:>10}", text(row.rmse[h - 1], decimals(largest)));
  }
  fmt::print("\n");
}

std::string json_text(const Evaluation& evaluation, const Intervals& intervals,
                      std::span<const double> coverage) {
  Json out = json_of(evaluation.multi_step);
  out["one_step"] = json_of(evaluation.one_step);
  out["train"] = json_of(evaluation.train);
  Json& bands = out["intervals"];
  if (intervals.known()) {
    bands["method"] = Intervals::method;
    for (size_t i = 0; i < coverage.size(); ++i)
      bands["coverage_" + std::to_string(Intervals::levels[i])] = coverage[i];
  }
  return out.dump(2) + "\n";
}

}  // namespace tapestry::airline
