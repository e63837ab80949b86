#pragma once
// How well a panel was forecast, as M4 scores it (Makridakis, Spiliotis and Assimakopoulos, 2020):
// sMAPE and MASE of each series, their means over all, and OWA, the mean of both over those of
// naive 2. Series without a MASE (they repeat themselves exactly) do not count in it.

#include <tapestry/examples/airline/panel/panel.h>

#include <optional>

namespace tapestry::airline {

/// Forecasts of one method: [series][distance - 1].
struct PanelMethod {
  std::string name, title;
  std::vector<std::vector<double>> forecasts;
};

struct PanelScores {
  std::vector<double> smape, mase;  // by series; NaN where it is not defined
  double mean_smape, mean_mase;
};

/// `train` [series] is what was learnt from, `actual` [series] what followed, at most as long as
/// the forecasts.
PanelScores score(const PanelMethod& method, const std::vector<std::vector<double>>& train,
                  const std::vector<std::vector<double>>& actual, size_t season);

/// (sMAPE / sMAPE of naive 2 + MASE / MASE of naive 2) / 2
double owa(const PanelScores& scores, const PanelScores& naive2);

/// The season that MASE is measured with: that of M4 for a frequency, 24 hours, 1 for days and
/// weeks, 12 months, 4 quarters; `season` where there is no frequency.
size_t scoring_season(Frequency frequency, size_t season);

/// naive, seasonal naive, naive 2, Theta, and damped exponential smoothing, each with the season of
/// scoring; where a method fails on a series, the naive forecast.
std::vector<PanelMethod> panel_baselines(const std::vector<std::vector<double>>& train,
                                         size_t season, size_t horizon, int64_t workers);

}  // namespace tapestry::airline
