#pragma once
// The "airline model" of Box and Jenkins: a seasonal ARIMA(0,1,1)(0,1,1) of the logarithms,
//   (1 - B)(1 - B^m) log y(t) = (1 + theta B)(1 + Theta B^m) e(t)
// with B the shift to the value before and e white noise of variance v (Box, Jenkins and Reinsel
// write -theta, -Theta); without a season, m = 1, ARIMA(0,1,1):
//   (1 - B) log y(t) = (1 + theta B) e(t)
// The coefficients maximise the exact Gaussian likelihood of the differenced training part,
// computed by the innovations algorithm (Brockwell and Davis, 1991, section 5.2), with v
// concentrated out. Forecasts are plain exponentials of those of the logarithm: medians, not means.

#include <deque>

#include <tapestry/examples/airline/methods/baselines.h>

namespace tapestry::airline {

/// One-step prediction of a moving average w(t) = sum of psi_j e(t - j), psi_0 = 1.
class Innovations {
 public:
  explicit Innovations(std::vector<double> psi);

  /// The expectation of the next value given all before.
  double predict() const;
  /// Its variance, in units of that of e; tends to 1 when the moving average is invertible.
  double variance() const { return past_.back().variance; }
  /// Shows the next value; showing predict() itself leads to forecasts further ahead.
  void observe(double w);

 private:
  struct Step {
    std::vector<double> weights;  // of the errors 1, 2, ... steps before
    double variance, error;
  };
  void prepare();

  std::vector<double> psi_, covariance_;  // the latter at lags 0 .. q, in units of that of e
  std::deque<Step> past_;                 // the last q + 1; the newest still awaits its error
  bool settled_ = false;                  // the weights have become psi, the variance 1
};

class Arima : public Forecaster {
 public:
  /// Needs 2 m + 2 positive values (6 without a season) and m <= 200; throws ValueError.
  Arima(std::span<const double> train, size_t season);

  std::vector<double> forecast(size_t horizon) const override;
  /// Throws ValueError unless the value is positive.
  void update(double actual) override;

  double theta() const { return theta_; }
  double seasonal_theta() const { return seasonal_theta_; }
  /// v, the maximum-likelihood variance of e.
  double variance() const { return variance_; }

 private:
  double theta_ = 0, seasonal_theta_ = 0, variance_ = 0;
  std::vector<double> logs_;  // the last m + 1, or the last one; oldest first
  Innovations differences_;
};

}  // namespace tapestry::airline
