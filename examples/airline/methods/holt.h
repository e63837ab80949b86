#pragma once
// Exponential smoothing with a trend and without a season (Holt, 1957), the trend damped by phi
// where asked (Gardner and McKenzie, 1985):
//   forecast  y(t+h) = l + (phi + ... + phi^h) b
//   level     l' = alpha y + (1 - alpha)(l + phi b)     trend   b' = beta (l' - l) + (1 - beta) phi
//   b
// The rates (phi between 0.8 and 0.98) and the first level and trend minimise the squared one-step
// errors on the training part.

#include <tapestry/examples/airline/methods/baselines.h>

namespace tapestry::airline {

class Holt : public Forecaster {
 public:
  /// Needs 4 values; throws ValueError.
  explicit Holt(std::span<const double> train, bool damped = false);

  std::vector<double> forecast(size_t horizon) const override;
  void update(double actual) override;

 private:
  double alpha_ = 0, beta_ = 0, phi_ = 1, level_ = 0, trend_ = 0;
};

}  // namespace tapestry::airline
