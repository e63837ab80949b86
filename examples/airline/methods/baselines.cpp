#include <tapestry/examples/airline/methods/baselines.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <tapestry/examples/airline/methods/arima.h>
#include <tapestry/examples/airline/methods/holt.h>
#include <tapestry/examples/airline/methods/holt_winters.h>
#include <tapestry/examples/airline/methods/theta.h>
#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

// The value one season ago; the last value when a season is one value long.
class SeasonalNaive : public Forecaster {
 public:
  SeasonalNaive(std::span<const double> train, size_t season) {
    require<ValueError>(season > 0 && train.size() >= season, "seasonal naive: ", train.size(),
                        " training values and a season of ", season,
                        ": expected at least a season");
    fitted_.assign(season, std::numeric_limits<double>::quiet_NaN());
    fitted_.insert(fitted_.end(), train.begin(), train.end() - static_cast<ptrdiff_t>(season));
    last_.assign(train.end() - static_cast<ptrdiff_t>(season), train.end());
  }

  std::vector<double> forecast(size_t horizon) const override {
    std::vector<double> next(horizon);
    for (size_t h = 0; h < horizon; ++h) next[h] = last_[(oldest_ + h) % last_.size()];
    return next;
  }
  void update(double actual) override {
    last_[oldest_] = actual;
    oldest_ = (oldest_ + 1) % last_.size();
  }

 private:
  std::vector<double> last_;  // the last season, a ring
  size_t oldest_ = 0;
};

// From the last value on, along the line through the first and the last training value.
class Drift : public Forecaster {
 public:
  explicit Drift(std::span<const double> train) {
    require<ValueError>(train.size() >= 2, "drift: ", train.size(),
                        " training values: expected at least 2");
    slope_ = (train.back() - train.front()) / static_cast<double>(train.size() - 1);
    last_ = train.back();
    fitted_.push_back(std::numeric_limits<double>::quiet_NaN());
    for (size_t t = 1; t < train.size(); ++t) fitted_.push_back(train[t - 1] + slope_);
  }

  std::vector<double> forecast(size_t horizon) const override {
    std::vector<double> next(horizon);
    for (size_t h = 0; h < horizon; ++h) next[h] = last_ + slope_ * static_cast<double>(h + 1);
    return next;
  }
  void update(double actual) override { last_ = actual; }

 private:
  double slope_, last_;
};

using Train = std::span<const double>;

/// A method that learns from the last values only, as many as are worth the time.
template <class Method, class... More>
std::unique_ptr<Forecaster> fit_recent(Train train, size_t season, More... more) {
  const size_t used = std::min(train.size(), std::max<size_t>(5000, 8 * season));
  auto fit = std::make_unique<Method>(train.last(used), more...);
  fit->skip(train.size() - used);
  return fit;
}

constexpr Baseline naive{"naive", "naive (last value)",
                         [](Train train, size_t) -> std::unique_ptr<Forecaster> {
                           return std::make_unique<SeasonalNaive>(train, 1);
                         }};
constexpr Baseline drift{"drift", "drift", [](Train train, size_t) -> std::unique_ptr<Forecaster> {
                           return std::make_unique<Drift>(train);
                         }};

constexpr Baseline theta{"theta", "Theta", [](Train train, size_t season) {
                           return fit_recent<Theta>(train, season, season);
                         }};

constexpr Baseline seasonal[] = {
    naive,
    {"seasonal_naive", "seasonal naive",
     [](Train train, size_t season) -> std::unique_ptr<Forecaster> {
       return std::make_unique<SeasonalNaive>(train, season);
     }},
    drift,
    {"holt_winters", "Holt-Winters (multiplicative)",
     [](Train train, size_t season) { return fit_recent<HoltWinters>(train, season, season); }},
    {"arima", "ARIMA(0,1,1)(0,1,1) on logs",
     [](Train train, size_t season) { return fit_recent<Arima>(train, season, season); }},
    theta,
    {"naive2", "naive 2 (without season)",
     [](Train train, size_t season) { return fit_recent<Naive2>(train, season, season); }},
};

constexpr Baseline without_season[] = {
    naive,
    drift,
    {"holt", "Holt (linear trend)",
     [](Train train, size_t season) { return fit_recent<Holt>(train, season); }},
    {"arima", "ARIMA(0,1,1) on logs",
     [](Train train, size_t season) { return fit_recent<Arima>(train, season, season); }},
    theta,
};

}  // namespace

std::span<const Baseline> baselines(size_t season) {
  if (season > 1) return seasonal;
  return without_season;
}

void Forecaster::skip(size_t n) {
  fitted_.insert(fitted_.begin(), n, std::numeric_limits<double>::quiet_NaN());
}

std::vector<double> checked_forecast(const Baseline& baseline, std::span<const double> train,
                                     size_t season, size_t horizon) {
  std::vector<double> next = baseline.fit(train, season)->forecast(horizon);
  for (const double y : next)
    require<NonFiniteError>(std::isfinite(y), baseline.name, ": a forecast is not finite");
  return next;
}

std::vector<double> one_step(Forecaster& forecaster, std::span<const double> test) {
  std::vector<double> forecasts;
  for (const double actual : test) {
    forecasts.push_back(forecaster.forecast(1)[0]);
    forecaster.update(actual);
  }
  return forecasts;
}

}  // namespace tapestry::airline
