#pragma once
// The classical forecasts that a network has to beat. A Forecaster is fitted once, when it is made,
// on the training part and on nothing else; afterwards update() shows it one actual value more,
// which moves its state and never its parameters. So, with n values known:
//   multi-step   fit(train)->forecast(h)         values n+1 .. n+h, all made at n
//   one-step     one_step(*fit(train), test)     each made when all values before it are known
//   fitted()     the one-step forecasts of the training part itself; NaN where there is none yet

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tapestry::airline {

class Forecaster {
 public:
  virtual ~Forecaster() = default;
  /// The next `horizon` values after the last one seen.
  virtual std::vector<double> forecast(size_t horizon) const = 0;
  virtual void update(double actual) = 0;
  std::span<const double> fitted() const { return fitted_; }
  /// Was fitted without the first n values of the training part: these have no fitted ones.
  void skip(size_t n);

 protected:
  std::vector<double> fitted_;
};

struct Baseline {
  const char* name;   // the key in machine-readable output
  const char* title;  // for people
  /// Fits on `train`; `season` is the number of values per season. Throws ValueError when the
  /// method does not apply: too few values, or one that is not positive where a ratio is needed.
  std::unique_ptr<Forecaster> (*fit)(std::span<const double> train, size_t season);
};

/// naive, seasonal_naive, drift, holt_winters, arima, theta, naive2, in this order; without a
/// season, which is 1 value long then, naive, drift, holt, arima, theta. All from Holt-Winters on
/// learn from the last 5,000 values, or eight seasons if that is more: they take long, and the far
/// past says little.
std::span<const Baseline> baselines(size_t season);

/// Fits and forecasts; throws NonFiniteError where a forecast is not finite, and what fit throws.
std::vector<double> checked_forecast(const Baseline& baseline, std::span<const double> train,
                                     size_t season, size_t horizon);

/// Forecasts each value of `test` in turn, then shows it to the forecaster.
std::vector<double> one_step(Forecaster& forecaster, std::span<const double> test);

}  // namespace tapestry::airline
