#include <tapestry/examples/airline/panel/panel_scores.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include <tapestry/examples/airline/methods/decomposition.h>
#include <tapestry/examples/airline/methods/holt.h>
#include <tapestry/examples/airline/methods/theta.h>
#include <tapestry/examples/airline/parallel.h>
#include <tapestry/examples/airline/scores/metrics.h>
#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

using Train = std::span<const double>;

/// Of what a test finds no season in, or the season taken off.
std::vector<double> damped(Train train, size_t season, size_t horizon) {
  const bool positive = std::all_of(train.begin(), train.end(), [](double y) { return y > 0; });
  std::vector<double> factors = {1};
  if (positive && is_seasonal(train, season)) factors = seasonal_factors(train, season);
  std::vector<double> plain;
  for (size_t t = 0; t < train.size(); ++t) plain.push_back(train[t] / factors[t % factors.size()]);
  std::vector<double> next = Holt(plain, true).forecast(horizon);
  for (size_t h = 0; h < horizon; ++h) next[h] *= factors[(train.size() + h) % factors.size()];
  return next;
}

double mean_defined(const std::vector<double>& values) {
  double sum = 0, count = 0;
  for (const double v : values)
    if (!std::isnan(v)) sum += v, ++count;
  return count > 0 ? sum / count : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

PanelScores score(const PanelMethod& method, const std::vector<std::vector<double>>& train,
                  const std::vector<std::vector<double>>& actual, size_t season) {
  PanelScores out;
  for (size_t i = 0; i < actual.size(); ++i) {
    const auto forecast = Train(method.forecasts[i]).first(actual[i].size());
    out.smape.push_back(smape(actual[i], forecast));
    out.mase.push_back(mase(actual[i], forecast, train[i], season));
  }
  out.mean_smape = mean_defined(out.smape);
  out.mean_mase = mean_defined(out.mase);
  return out;
}

double owa(const PanelScores& scores, const PanelScores& naive2) {
  return (scores.mean_smape / naive2.mean_smape + scores.mean_mase / naive2.mean_mase) / 2;
}

size_t scoring_season(Frequency frequency, size_t season) {
  if (frequency == Frequency::daily || frequency == Frequency::weekly) return 1;
  return season;
}

std::vector<PanelMethod> panel_baselines(const std::vector<std::vector<double>>& train,
                                         size_t season, size_t horizon, int64_t workers) {
  using Fit = std::function<std::vector<double>(Train)>;
  std::vector<std::pair<PanelMethod, Fit>> all;
  const auto add = [&](const char* name, const char* title, Fit fit) {
    all.push_back({{name, title, std::vector<std::vector<double>>(train.size())}, std::move(fit)});
  };
  const Baseline naive = baselines(1)[0];
  const auto last_value = [&](Train y) { return naive.fit(y, 1)->forecast(horizon); };
  add("naive", "naive (last value)", last_value);
  if (season > 1)
    add("seasonal_naive", "seasonal naive",
        [&](Train y) { return baselines(season)[1].fit(y, season)->forecast(horizon); });
  add("naive2", "naive 2", [&](Train y) { return Naive2(y, season).forecast(horizon); });
  add("theta", "Theta", [&](Train y) { return Theta(y, season).forecast(horizon); });
  add("damped", "damped trend", [&](Train y) { return damped(y, season, horizon); });
  parallel_for(train.size(), workers, [&](size_t i) {
    for (auto& [method, fit] : all) try {
        method.forecasts[i] = fit(Train(train[i]).last(std::min<size_t>(train[i].size(), 5000)));
        for (const double y : method.forecasts[i])
          require<NonFiniteError>(std::isfinite(y), "not finite");
      } catch (const Error&) {
        method.forecasts[i] = last_value(train[i]);
      }
  });
  std::vector<PanelMethod> out;
  for (auto& [method, fit] : all) out.push_back(std::move(method));
  return out;
}

}  // namespace tapestry::airline
