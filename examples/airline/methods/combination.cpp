#include <tapestry/examples/airline/methods/combination.h>

#include <cmath>
#include <string_view>

namespace tapestry::airline {

std::vector<double> combine(std::span<const std::vector<double>> forecasts) {
  std::vector<double> out(forecasts.front().size());
  const auto n = static_cast<double>(forecasts.size());
  for (size_t t = 0; t < out.size(); ++t) {
    double sum = 0, logs = 0;
    bool positive = true;
    for (const std::vector<double>& f : forecasts) {
      sum += f[t] / n;
      positive &= f[t] > 0;
      logs += f[t] > 0 ? std::log(f[t]) / n : 0;
    }
    out[t] = positive ? std::exp(logs) : sum;
  }
  return out;
}

Combination::Combination(std::vector<std::unique_ptr<Forecaster>> parts)
    : parts_(std::move(parts)) {
  std::vector<std::vector<double>> fitted;
  for (const auto& p : parts_) fitted.emplace_back(p->fitted().begin(), p->fitted().end());
  fitted_ = combine(fitted);
}

std::vector<double> Combination::forecast(size_t horizon) const {
  std::vector<std::vector<double>> forecasts;
  for (const auto& p : parts_) forecasts.push_back(p->forecast(horizon));
  return combine(forecasts);
}

void Combination::update(double actual) {
  for (const auto& p : parts_) p->update(actual);
}

std::unique_ptr<Forecaster> combined(const Ensemble& lstm, std::span<const double> train,
                                     size_t season) {
  std::vector<std::unique_ptr<Forecaster>> parts;
  parts.push_back(std::make_unique<Ensemble>(lstm));
  for (const Baseline& b : baselines(season)) {
    const std::string_view name = b.name;
    if (name == "arima" || name == "holt_winters" || name == "holt")
      parts.push_back(b.fit(train, season));
  }
  return std::make_unique<Combination>(std::move(parts));
}

const char* combination_title(size_t season) {
  return season > 1 ? "LSTM + ARIMA + Holt-Winters" : "LSTM + ARIMA + Holt";
}

}  // namespace tapestry::airline
